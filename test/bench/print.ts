/** Figures as tables for the terminal. */
import Table from 'cli-table3'
import type { Aim } from './aims.js'
import { type Row, text } from './result.js'

const style = { head: [], border: [] }
/** no lines between rows */
const chars = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' }

export const rowTable = (rows: readonly Row[]): string => {
  const table = new Table({
    head: ['part', 'what', 'median', 'unit', 'least … most', 'ratio', ''],
    style,
    chars,
    colAligns: ['left', 'left', 'right', 'left', 'left', 'right', 'left'],
  })
  for (const { part, name, value, unit, least, most, ratio, against, note } of rows) {
    const spread = least === undefined || most === undefined ? '' : `${text(least)} … ${text(most)}`
    const said = note ?? (against && `of ${against}`) ?? ''
    table.push([part, name, text(value), unit, spread, ratio?.toPrecision(3) ?? '', said])
  }
  return table.toString()
}

export const aimTable = (aims: readonly Aim[]): string => {
  const table = new Table({
    head: ['what', 'measured', 'must', 'aim', 'reached'],
    style,
    chars,
    colAligns: ['left', 'right', 'right', 'right', 'left'],
  })
  for (const { what, unit, must, aim, bound, value, reached } of aims) {
    const sign = bound === 'least' ? '≥' : '≤'
    table.push([what, `${text(value)} ${unit}`, `${sign} ${text(must)}`, `${sign} ${text(aim)}`, reached])
  }
  return table.toString()
}
