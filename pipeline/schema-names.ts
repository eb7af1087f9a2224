/** avsc looks names of types up in plain objects, and finds there what every object has: `constructor` and `__proto__` are taken for types. */

/** Throws when a part of a schema (parsed JSON) names its type so. */
export const refuseInheritedName = (part: unknown): undefined => {
  const type = typeof part === 'object' && part !== null ? (part as { type?: unknown }).type : part
  if (typeof type === 'string' && type in Object.prototype) throw new Error(`unknown type: ${type}`)
}
