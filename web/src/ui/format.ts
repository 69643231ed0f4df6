// Numbers and times as text. Null is always the dash, never a nought.

import { zone } from "./zone.svelte"

export const DASH = "—"
const MINUS = "−"
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

const fixed = new Map<number, Intl.NumberFormat>()

function withDecimals(value: number, decimals: number): string {
  let format = fixed.get(decimals)
  if (format === undefined) {
    format = new Intl.NumberFormat("en", {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    })
    fixed.set(decimals, format)
  }
  const text = format.format(Math.abs(value)).replaceAll(",", "\u202f")
  return value < 0 && /[1-9]/.test(text) ? MINUS + text : text
}

/** `84.74`, with a true minus and thin spaces between thousands. */
export function number(value: number | null, decimals: number): string {
  return value === null ? DASH : withDecimals(value, decimals)
}

/** The same with a sign; what rounds to nought has none. */
export function signed(value: number | null, decimals: number): string {
  if (value === null) return DASH
  const text = withDecimals(value, decimals)
  return value > 0 && /[1-9]/.test(text) ? `+${text}` : text
}

/** Decimals by size: 100 and more two, 1 and more four, else four significant. */
export function price(value: number | null): string {
  if (value === null) return DASH
  return withDecimals(value, priceDecimals(value))
}

export function priceDecimals(value: number): number {
  const size = Math.abs(value)
  if (size >= 100) return 2
  if (size >= 1 || size === 0) return 4
  return Math.min(12, 3 - Math.floor(Math.log10(size)))
}

const UNITS: readonly (readonly [number, string])[] = [
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "k"],
]

/** A turnover: `3.42 B`. */
export function compact(value: number | null): string {
  if (value === null) return DASH
  const size = Math.abs(value)
  for (const [unit, letter] of UNITS) {
    if (size >= unit * 0.9995) {
      const scaled = value / unit
      const decimals = Math.abs(scaled) >= 99.95 ? 0 : Math.abs(scaled) >= 9.995 ? 1 : 2
      return `${withDecimals(scaled, decimals)}\u202f${letter}`
    }
  }
  return withDecimals(value, 0)
}

/** A quantity in base currency: large ones shortened, small ones with three significant digits. */
export function amount(value: number | null): string {
  if (value === null) return DASH
  const size = Math.abs(value)
  if (size >= 1000) return compact(value)
  if (size >= 100 || size === 0) return withDecimals(value, 0)
  return withDecimals(value, size >= 10 ? 1 : size >= 1 ? 2 : Math.min(10, 2 - Math.floor(Math.log10(size))))
}

/** A fraction as percent: a funding rate of .0001 is `+0.0100`. */
export function percentOfFraction(value: number | null, decimals = 4): string {
  return signed(value === null ? null : value * 100, decimals)
}

/** A share 0..1 without its nought: `.74`, `1.00`. */
export function share(value: number | null): string {
  return value === null ? DASH : withDecimals(value, 2).replace(/^0/, "")
}

/** `3s`, `2m`, `4h 10m`, `3d`. */
export function age(milliseconds: number | null): string {
  if (milliseconds === null) return DASH
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 === 0 ? `${hours}h` : `${hours}h ${minutes % 60}m`
  return `${Math.floor(hours / 24)}d`
}

/** An age as a reader says it: `42 s`, `3 min 5 s`, `2 h 4 min`, `3 days`. */
export function ageWords(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} days`
}

/** `UTC`, or the reader's own zone as an offset: `UTC+2`, `UTC−3:30`. */
export function zoneName(milliseconds: number): string {
  if (!zone.local) return "UTC"
  const east = -new Date(milliseconds).getTimezoneOffset()
  const [hours, minutes] = [Math.floor(Math.abs(east) / 60), Math.abs(east) % 60]
  return `UTC${east < 0 ? MINUS : "+"}${hours}${minutes === 0 ? "" : `:${String(minutes).padStart(2, "0")}`}`
}

/** The same instant, so that its UTC parts are those of the chosen zone. */
export function shifted(milliseconds: number): Date {
  const east = zone.local ? -new Date(milliseconds).getTimezoneOffset() * 60_000 : 0
  return new Date(milliseconds + east)
}

/** `14:03:07 UTC`, in the chosen zone. */
export function clock(milliseconds: number | null): string {
  return milliseconds === null ? DASH : `${shifted(milliseconds).toISOString().slice(11, 19)} ${zoneName(milliseconds)}`
}

/** `14:03 UTC`, with its day when that is more than half a day away: `19 Jul 14:03 UTC`. */
export function minute(milliseconds: number | null, now: number): string {
  if (milliseconds === null) return DASH
  const at = shifted(milliseconds)
  const date = now - milliseconds < 43_200_000 ? "" : `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} `
  return `${date}${at.toISOString().slice(11, 16)} ${zoneName(milliseconds)}`
}

/** `14:03:07`, where the zone is named beside it. */
export function time(milliseconds: number): string {
  return shifted(milliseconds).toISOString().slice(11, 19)
}

/** `2026-07-19`. */
export function day(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10)
}

/** `2026-07-19 14:03:07.250 UTC`, for tooltips. */
export function instant(milliseconds: number | null): string {
  if (milliseconds === null) return DASH
  return `${new Date(milliseconds).toISOString().replace("T", " ").slice(0, 23)} UTC`
}
