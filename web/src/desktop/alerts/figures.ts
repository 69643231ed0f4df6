// Numbers of rules with their units, as text.

import { number } from "../../ui/format"

export const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value)

export function figureOf(value: unknown): string {
  if (typeof value === "string") return value.replaceAll("_", " ")
  if (!isNumber(value)) return "—"
  const size = Math.abs(value)
  if (size >= 1_000) return number(value, 0)
  if (size >= 10 || value === 0) return number(value, 1)
  return number(value, size >= 1 ? 2 : size >= 0.01 ? 3 : 5)
}

const UNITS: Readonly<Record<string, string>> = { "0..100": "", "0..1": "", word: "", "-1..1": "", percent: "%", "percent in 8 h": "% in 8 h", "percent a year": "% a year", "basis points": "bp", seconds: "s", milliseconds: "ms" }

export const unitOf = (unit: string): string => UNITS[unit] ?? unit

export const nameOf = (name: string): string => name.replace(/^(component|dimension)\./, "").replace(/[._]/g, " ")

/** A limit as it was written: it is exact, so it has no digits more than it needs. */
export function limitOf(value: unknown): string {
  if (!isNumber(value)) return figureOf(value)
  const [, decimals = ""] = String(Math.abs(value)).split(/[.e]/)
  return number(value, Math.abs(value) >= 1e-6 ? Math.min(8, decimals.length) : 8)
}
