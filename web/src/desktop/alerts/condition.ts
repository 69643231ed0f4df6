// Conditions as rules write them, and in words.

import type { NumberEntry } from "../../wire/types"
import { limitOf, nameOf, unitOf } from "./figures"

export interface ComparisonTable {
  readonly number: string
  readonly is: string
  readonly limit?: number | string
  readonly clear?: number | string
}
export type ConditionTable = ComparisonTable | { readonly all: readonly ConditionTable[] } | { readonly any: readonly ConditionTable[] }

export const OPERATORS: Readonly<Record<string, string>> = {
  above: ">", at_least: "≥", below: "<", at_most: "≤", is: "is", is_not: "is not", changes: "changes",
}
export const NUMBER_OPERATORS = ["at_least", "above", "at_most", "below", "changes"] as const
export const WORD_OPERATORS = ["is", "is_not", "changes"] as const

export function isCondition(value: unknown): value is ConditionTable {
  if (typeof value !== "object" || value === null) return false
  const { number, is, all, any } = value as Record<string, unknown>
  const parts = all ?? any
  return Array.isArray(parts) ? parts.every(isCondition) : typeof number === "string" && typeof is === "string"
}

export function partsOf(condition: ConditionTable): readonly ConditionTable[] {
  return "all" in condition ? condition.all : "any" in condition ? condition.any : [condition]
}

export function comparisonsOf(condition: ConditionTable): readonly ComparisonTable[] {
  return "number" in condition ? [condition] : partsOf(condition).flatMap(comparisonsOf)
}

/** What one number may be, such as `buy, sell or both`; null unless all parts ask just that of the same one. */
function oneOf(parts: readonly ConditionTable[]): string | null {
  const first = parts[0]
  if (first === undefined || !("number" in first) || parts.length < 2) return null
  const limits = parts.map((part) =>
    "number" in part && part.number === first.number && part.is === "is" && part.limit !== undefined ? limitOf(part.limit) : null)
  if (limits.includes(null)) return null
  return `${nameOf(first.number)} is ${limits.slice(0, -1).join(", ")} or ${limits.at(-1) ?? ""}`
}

/** `score ≥ 70 (until < 65) and coverage ≥ 0.7`. */
export function conditionText(condition: ConditionTable, numbers: ReadonlyMap<string, NumberEntry>, inside = false): string {
  if (!("number" in condition)) {
    const parts = partsOf(condition)
    const alike = "any" in condition ? oneOf(parts) : null
    if (alike !== null) return alike
    const text = parts.map((part) => conditionText(part, numbers, true)).join("all" in condition ? " and " : " or ")
    return inside && parts.length > 1 ? `(${text})` : text
  }
  const unit = unitOf(numbers.get(condition.number)?.unit ?? "")
  const named = nameOf(condition.number)
  const operator = OPERATORS[condition.is] ?? condition.is
  if (condition.limit === undefined) return `${named} ${operator}`
  const limit = `${limitOf(condition.limit)}${unit === "" ? "" : ` ${unit}`}`
  if (condition.clear === undefined) return `${named} ${operator} ${limit}`
  const rising = condition.is === "above" || condition.is === "at_least"
  return `${named} ${operator} ${limit} (until ${rising ? "<" : ">"} ${limitOf(condition.clear)})`
}
