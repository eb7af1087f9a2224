/** How V8's heap grows. */
import v8 from 'node:v8'

/**
 * For a process that is a worker and nothing else, since the settings are of the whole process; to be called before there is much in the heap.
 *
 * The young generation grows to its full size (16 MB a half) as soon as it has to grow, instead of doubling from 1 MB. A worker that begins
 * with a backlog otherwise spends its first seconds on moving records from one half to the other, since all of them live for as long as the pipe
 * is full.
 *
 * The old one is collected once it is three times what it was, instead of less than twice. A worker has some 30 MB in it and adds little, and each
 * time V8 marks it, its threads and the broker's want the same cores for some 20 ms: every second or two that is 1 % of all records, and
 * just what their 99th percentile is made of.
 */
export const letHeapGrow = (): void => {
  v8.setFlagsFromString('--semi-space-growth-factor=16')
  v8.setFlagsFromString('--heap-growing-percent=200')
}
