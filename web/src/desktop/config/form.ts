// A form made from the server's schema: kinds of fields, bounds, what is drafted and what it changes.

import { number } from "../../ui/format"
import type { ConfigEntry } from "../../wire/types"

export type Kind = "choice" | "switch" | "whole" | "number" | "list" | "text" | "json"

/** By dotted key: the text of its field; null goes back to what the settings file says. */
export type Draft = Readonly<Record<string, string | null>>

export function choicesOf(entry: ConfigEntry): readonly string[] {
  const { enum: found } = entry.schema
  return Array.isArray(found) ? found.filter((each): each is string => typeof each === "string") : []
}

export function kindOf(entry: ConfigEntry): Kind {
  if (choicesOf(entry).length > 0) return "choice"
  const { type, items } = entry.schema
  if (type === "boolean") return "switch"
  if (type === "integer") return "whole"
  if (type === "number") return "number"
  if (type === "string") return "text"
  if (type === "array" && typeof items === "object" && items !== null && (items as Record<string, unknown>)["type"] === "string") return "list"
  return "json"
}

export function textOf(value: unknown, kind: Kind): string {
  if (value === null || value === undefined) return ""
  if (kind === "list" && Array.isArray(value)) return value.map(String).join(" ")
  if (kind === "json" || typeof value === "object") return JSON.stringify(value, null, 1)
  return String(value)
}

export type Read = { readonly value: unknown; readonly wrong?: undefined } | { readonly wrong: string }

const bound = (schema: Readonly<Record<string, unknown>>, name: string): number | null => {
  const found = schema[name]
  return typeof found === "number" ? found : null
}

/** `1 to 500`, `more than 0, less than 50`; empty where the schema sets no bounds. */
export function boundsText(entry: ConfigEntry): string {
  const [least, most] = [bound(entry.schema, "minimum"), bound(entry.schema, "maximum")]
  const [over, under] = [bound(entry.schema, "exclusiveMinimum"), bound(entry.schema, "exclusiveMaximum")]
  const plain = (value: number): string => number(value, Number.isInteger(value) ? 0 : 2)
  if (least !== null && most !== null) return `${plain(least)} to ${plain(most)}`
  return [
    least !== null && `at least ${plain(least)}`, over !== null && `more than ${plain(over)}`,
    most !== null && `at most ${plain(most)}`, under !== null && `less than ${plain(under)}`,
  ].filter((each) => each !== false).join(", ")
}

/** What a field says: the value, or why it is none. The server judges again, and finally. */
export function readField(text: string, entry: ConfigEntry): Read {
  const kind = kindOf(entry)
  if (kind === "switch") return { value: text === "true" }
  if (kind === "choice") return choicesOf(entry).includes(text) ? { value: text } : { wrong: `Expected one of ${choicesOf(entry).join(", ")}.` }
  if (kind === "text") return { value: text }
  if (kind === "list") return { value: text.split(/[\s,;]+/).filter((each) => each !== "") }
  if (kind === "json") {
    try {
      return { value: JSON.parse(text) as unknown }
    } catch {
      return { wrong: "Expected JSON." }
    }
  }
  const value = Number(text.trim())
  if (text.trim() === "" || !Number.isFinite(value)) return { wrong: "Expected a number, with a point and no commas." }
  if (kind === "whole" && !Number.isInteger(value)) return { wrong: "Expected a whole number." }
  const [least, most] = [bound(entry.schema, "minimum"), bound(entry.schema, "maximum")]
  const [over, under] = [bound(entry.schema, "exclusiveMinimum"), bound(entry.schema, "exclusiveMaximum")]
  const outside = (least !== null && value < least) || (most !== null && value > most) || (over !== null && value <= over) || (under !== null && value >= under)
  return outside ? { wrong: `Expected ${boundsText(entry)}.` } : { value }
}

export function equal(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b
  const [left, right] = [Object.entries(a as object), b as Record<string, unknown>]
  return left.length === Object.keys(right).length && left.every(([key, value]) => key in right && equal(value, right[key]))
}

/** The text of a field: what is drafted, else what is in force. */
export function shownText(entry: ConfigEntry, draft: Draft): string {
  const drafted = draft[entry.key]
  return typeof drafted === "string" ? drafted : textOf(entry.value, kindOf(entry))
}

export const without = (draft: Draft, key: string): Draft => Object.fromEntries(Object.entries(draft).filter(([each]) => each !== key))

/** A draft with one field typed; what says the same as before is no change. */
export function typed(draft: Draft, entry: ConfigEntry, text: string): Draft {
  const others = without(draft, entry.key)
  const read = readField(text, entry)
  return read.wrong === undefined && equal(read.value, entry.value) ? others : { ...others, [entry.key]: text }
}

export interface Changes {
  /** What is sent: values by key. */
  readonly changes: Readonly<Record<string, unknown>>
  /** Why a field is none, by key. */
  readonly wrong: Readonly<Record<string, string>>
}

export function changesOf(draft: Draft, entries: readonly ConfigEntry[]): Changes {
  const changes: Record<string, unknown> = {}
  const wrong: Record<string, string> = {}
  for (const entry of entries) {
    const text = draft[entry.key]
    if (text === undefined || !entry.editable) continue
    if (text === null) {
      changes[entry.key] = null
      continue
    }
    const read = readField(text, entry)
    if (read.wrong !== undefined) wrong[entry.key] = read.wrong
    else if (!equal(read.value, entry.value)) changes[entry.key] = read.value
  }
  return { changes, wrong }
}

/** A draft out of an address: only texts, and only of keys that may be changed. */
export function draftIn(address: string | undefined, entries: readonly ConfigEntry[]): Draft {
  let given: unknown
  try {
    given = JSON.parse(address ?? "{}")
  } catch {
    return {}
  }
  if (typeof given !== "object" || given === null) return {}
  const known = new Set(entries.filter(({ editable }) => editable).map(({ key }) => key))
  return Object.fromEntries(Object.entries(given).filter(([key, value]) => known.has(key) && (typeof value === "string" || value === null)))
}

export const tableOf = (key: string): string => key.slice(0, key.lastIndexOf("."))
export const nameOf = (key: string): string => key.slice(key.lastIndexOf(".") + 1).replaceAll("_", " ")

/** Tables whose values count in proportion to their sum. */
export const IN_PROPORTION: ReadonlySet<string> = new Set(["scoring.weights", "scoring.timeframes"])

/** The sum of a table's fields, and the share of each; null while one of them is no number. */
export function sumOf(entries: readonly ConfigEntry[], draft: Draft): { readonly sum: number; readonly share: ReadonlyMap<string, number> } | null {
  const values = entries.map((entry) => [entry.key, Number(shownText(entry, draft))] as const)
  if (values.some(([, value]) => !Number.isFinite(value) || value < 0)) return null
  const sum = values.reduce((all, [, value]) => all + value, 0)
  return { sum, share: new Map(values.map(([key, value]) => [key, sum === 0 ? 0 : value / sum])) }
}

/** Which keys an error of the server names. */
export function keysIn(message: string, entries: readonly ConfigEntry[]): readonly string[] {
  const named = entries.map(({ key }) => key).filter((key) => new RegExp(`(^|[^a-z0-9_.])${key.replaceAll(".", "\\.")}($|[^a-z0-9_])`).test(message))
  if (named.length > 0) return named
  return entries.filter(({ key }) => message.includes(tableOf(key)) && tableOf(key).includes(".")).map(({ key }) => key)
}

export function plainText(value: unknown): string {
  if (value === null || value === undefined) return "—"
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(String).join(", ")
  if (typeof value === "object") return Object.keys(value).length === 0 ? "none" : JSON.stringify(value)
  return value === "" ? "empty" : String(value)
}

export interface Step {
  readonly key: string
  readonly now: unknown
  readonly then: unknown
}

/** What restoring a version would change: a key that it does not hold goes back to the file. */
export function stepsTo(values: Readonly<Record<string, unknown>>, entries: readonly ConfigEntry[]): readonly Step[] {
  return entries.filter((entry) => entry.editable).flatMap((entry) => {
    if (entry.key in values) return equal(values[entry.key], entry.value) ? [] : [{ key: entry.key, now: entry.value, then: values[entry.key] }]
    return entry.source === "version" ? [{ key: entry.key, now: entry.value, then: "as the file says" }] : []
  })
}
