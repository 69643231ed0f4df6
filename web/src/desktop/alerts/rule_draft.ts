// A rule as a form holds it, while parts of it may not be valid yet, and as the server reads it.

import type { NumberEntry } from "../../wire/types"
import { type ConditionTable, isCondition, partsOf } from "./condition"

export interface ComparisonDraft {
  kind: "comparison"
  number: string
  is: string
  limit: string
  clear: string
}
export interface GroupDraft {
  kind: "group"
  mode: "all" | "any"
  parts: PartDraft[]
}
export type PartDraft = ComparisonDraft | GroupDraft

export interface RuleDraft {
  id: string
  title: string
  what: string
  level: string
  when: GroupDraft
  symbols: string
  /** Of the most traded symbols so many; empty: all, or those named. */
  top: string
  /** One alert when so many are true at once; empty: one for each. */
  atLeast: string
  forSeconds: string
  cooldownSeconds: string
  quiet: string
  channels: string[]
  enabled: boolean
}

export const MOST_PARTS = 16
export const DEEPEST = 4

export const newComparison = (): ComparisonDraft => ({ kind: "comparison", number: "score", is: "at_least", limit: "70", clear: "65" })

export function newDraft(): RuleDraft {
  return {
    id: "", title: "", what: "confluence", level: "warning", when: { kind: "group", mode: "all", parts: [newComparison()] },
    symbols: "", top: "", atLeast: "", forSeconds: "60", cooldownSeconds: "900", quiet: "", channels: [], enabled: true,
  }
}

const text = (value: unknown, otherwise = ""): string => (typeof value === "string" ? value : typeof value === "number" ? String(value) : otherwise)
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [])

function partOf(condition: ConditionTable): PartDraft {
  if ("number" in condition) return { kind: "comparison", number: condition.number, is: condition.is, limit: text(condition.limit), clear: text(condition.clear) }
  return { kind: "group", mode: "any" in condition ? "any" : "all", parts: partsOf(condition).map(partOf) }
}

/** Whatever is none becomes what the form shows first; a rule of one comparison stands in a group. */
export function draftOf(given: unknown): RuleDraft {
  const table = typeof given === "object" && given !== null ? (given as Record<string, unknown>) : {}
  const usual = newDraft()
  const group = typeof table["group"] === "object" && table["group"] !== null ? (table["group"] as Record<string, unknown>) : {}
  const when = isCondition(table["when"]) ? partOf(table["when"]) : usual.when
  return {
    id: text(table["id"]),
    title: text(table["title"]),
    what: text(table["kind"], usual.what),
    level: text(table["level"], usual.level),
    when: when.kind === "group" ? when : { kind: "group", mode: "all", parts: [when] },
    symbols: texts(table["symbols"]).join(" "),
    top: text(group["top"]),
    atLeast: text(group["at_least"]),
    forSeconds: text(table["for_seconds"], "0"),
    cooldownSeconds: text(table["cooldown_seconds"], usual.cooldownSeconds),
    quiet: text(table["quiet"]),
    channels: texts(table["channels"]),
    enabled: table["enabled"] !== false,
  }
}

/** A number where it is one; else the text as it stands, which the server refuses at its field. */
export function asNumber(typed: string): number | string {
  const trimmed = typed.trim()
  const value = Number(trimmed)
  return trimmed !== "" && Number.isFinite(value) ? value : trimmed
}

function plainPart(part: PartDraft, numbers: ReadonlyMap<string, NumberEntry>): object {
  if (part.kind === "group") return { [part.mode]: part.parts.map((each) => plainPart(each, numbers)) }
  if (part.is === "changes") return { number: part.number, is: part.is }
  const isWord = numbers.get(part.number)?.unit === "word"
  return {
    number: part.number,
    is: part.is,
    limit: isWord ? part.limit : asNumber(part.limit),
    ...(!isWord && part.clear.trim() !== "" && { clear: asNumber(part.clear) }),
  }
}

/** The table that is sent; its places are those that the server names when it refuses. */
export function tableOf(draft: RuleDraft, numbers: ReadonlyMap<string, NumberEntry>): Readonly<Record<string, unknown>> {
  return {
    id: draft.id.trim(),
    title: draft.title.trim(),
    kind: draft.what.trim(),
    level: draft.level,
    when: plainPart(draft.when, numbers),
    symbols: draft.symbols.toUpperCase().split(/[\s,;]+/).filter((each) => each !== ""),
    for_seconds: asNumber(draft.forSeconds),
    cooldown_seconds: asNumber(draft.cooldownSeconds),
    channels: draft.channels,
    enabled: draft.enabled,
    ...(draft.quiet.trim() !== "" && { quiet: draft.quiet.trim() }),
    ...((draft.top.trim() !== "" || draft.atLeast.trim() !== "") && {
      group: { ...(draft.top.trim() !== "" && { top: asNumber(draft.top) }), ...(draft.atLeast.trim() !== "" && { at_least: asNumber(draft.atLeast) }) },
    }),
  }
}

export function countOf(part: PartDraft): number {
  return part.kind === "comparison" ? 1 : part.parts.reduce((sum, each) => sum + countOf(each), 0)
}

/** An id of small letters, digits and dashes out of a title. */
export function idOf(title: string): string {
  return title.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 48)
}

/** A comparison over another number: an operator that suits it, and no limit of the one before. */
export function overNumber(part: ComparisonDraft, found: NumberEntry): void {
  const wasWord = part.is === "is" || part.is === "is_not"
  const isWord = found.unit === "word"
  part.number = found.name
  part.clear = ""
  if (isWord) {
    part.is = wasWord || part.is === "changes" ? part.is : "is"
    part.limit = found.words[0] ?? ""
  } else {
    part.is = wasWord ? "at_least" : part.is
    part.limit = ""
  }
}

/** `90 s`, `15 min`, `2 h`: a number of seconds beside its field. */
export function secondsText(typed: string): string {
  const value = asNumber(typed)
  if (typeof value === "string" || value < 60) return ""
  if (value < 3_600) return `${+(value / 60).toFixed(1)} min`
  return value < 86_400 ? `${+(value / 3_600).toFixed(1)} h` : `${+(value / 86_400).toFixed(1)} days`
}
