// What an alert says, read out of its details: they are JSON of any shape, and trusted no further.

import type { Alert, AlertRecord, DeliveryRecord } from "../../wire/types"
import { type ConditionTable, OPERATORS, comparisonsOf, isCondition } from "./condition"
import { figureOf, isNumber, limitOf, nameOf, unitOf } from "./figures"

/** From the store with everything, from the cache (the store is away) without details and delivery. */
export type ListedAlert = Alert | AlertRecord

export const isWhole = (alert: ListedAlert): alert is AlertRecord => "details" in alert

export function timeOf(alert: ListedAlert): number {
  return isWhole(alert) ? alert.at : Date.parse(alert.timestamp)
}

export function titleOf(alert: ListedAlert): string {
  const title = isWhole(alert) ? alert.details["title"] : null
  return typeof title === "string" && title !== "" ? title : alert.rule
}

/** One number that a rule looked at: what it was, and what it was held against then. */
export interface Seen {
  readonly name: string
  readonly value: string
  readonly unit: string
  readonly limits: readonly string[]
}

export function limitText(comparison: ConditionTable): string {
  if (!("number" in comparison)) return ""
  const operator = OPERATORS[comparison.is] ?? comparison.is
  return comparison.limit === undefined ? operator : `${operator} ${limitOf(comparison.limit)}`
}

/** Value against threshold, in the order of the rule as it was when it fired. */
export function seenOf(alert: ListedAlert): readonly Seen[] {
  if (!isWhole(alert)) return []
  const numbers = alert.details["numbers"]
  if (typeof numbers !== "object" || numbers === null) return []
  const when = alert.details["when"]
  const held = isCondition(when) ? comparisonsOf(when) : []
  return Object.entries(numbers as Record<string, unknown>).flatMap(([name, given]) => {
    if (typeof given !== "object" || given === null) return []
    const { value, unit } = given as Record<string, unknown>
    return [{
      name: nameOf(name),
      value: figureOf(value),
      unit: typeof unit === "string" ? unitOf(unit) : "",
      limits: [...new Set(held.filter((each) => each.number === name).map(limitText))],
    }]
  })
}

export function detailNumber(alert: ListedAlert, key: string): number | null {
  const value = isWhole(alert) ? alert.details[key] : null
  return isNumber(value) ? value : null
}

export interface FrozenPart {
  readonly score: number | null
  readonly points: number | null
  readonly reason: string | null
}

/** The six components at that moment. */
export function frozenParts(alert: ListedAlert): ReadonlyMap<string, FrozenPart> {
  const parts = isWhole(alert) ? alert.details["components"] : null
  if (typeof parts !== "object" || parts === null) return new Map()
  return new Map(Object.entries(parts as Record<string, unknown>).flatMap(([name, part]) => {
    if (typeof part !== "object" || part === null) return []
    const { score, points, reason } = part as Record<string, unknown>
    return [[name, { score: isNumber(score) ? score : null, points: isNumber(points) ? points : null, reason: typeof reason === "string" ? reason : null }] as const]
  }))
}

/** `[time, value]` of the hour before, as it was kept with the alert. */
export function frozenLine(alert: ListedAlert, name: "score" | "price"): readonly (number | null)[] {
  const chart = isWhole(alert) ? alert.details["chart"] : null
  const line = typeof chart === "object" && chart !== null ? (chart as Record<string, unknown>)[name] : null
  if (!Array.isArray(line)) return []
  return line.map((point: unknown) => (Array.isArray(point) && isNumber(point[1]) ? point[1] : null))
}

const DELIVERY: Readonly<Record<string, readonly [string, string]>> = {
  pending: ["◷", "waits"], sending: ["→", "is being sent"], retrying: ["↻", "is tried again"], sent: ["✓", "sent"], dead: ["✕", "not sent"],
}

export function deliveryText(each: DeliveryRecord): readonly [mark: string, word: string] {
  return DELIVERY[each.state] ?? ["?", each.state]
}
