// Which minutes are recorded: runs without a hole, and what stands at an instant.

const MINUTE = 60_000
/** Rows are kept each half minute, then one each five minutes, then one an hour. */
const GRAINS = [MINUTE, 5 * MINUTE, 60 * MINUTE] as const
const NEAR = 6

export const SPANS = [["1h", 60 * MINUTE], ["6h", 360 * MINUTE], ["24h", 1_440 * MINUTE]] as const

/** `2026-11-21T14:03Z`, or null for what is no such minute. */
export function minuteOf(text: string | undefined): number | null {
  if (text === undefined || !/^\d{4}-\d\d-\d\dT\d\d:\d\dZ$/.test(text)) return null
  const found = Date.parse(text)
  return Number.isFinite(found) ? found : null
}

export const minuteText = (at: number): string => `${new Date(at).toISOString().slice(0, 16)}Z`

/** The stretch of time that is looked at: up to now, or around an older instant. */
export function windowOf(at: number, now: number, span: number): readonly [start: number, end: number] {
  const last = Math.ceil(now / MINUTE) * MINUTE
  // it stays while one steps through the half of it in its middle
  const half = span / 2
  const end = at >= last - span ? last : Math.min(last, Math.floor(at / half) * half + 1.5 * half)
  return [end - span, end]
}

function grainOf(times: readonly number[], first: number, last: number): number {
  const steps: number[] = []
  for (let each = Math.max(1, first); each <= Math.min(times.length - 1, last); each += 1) {
    steps.push((times[each] ?? 0) - (times[each - 1] ?? 0))
  }
  const fits = (grain: number): boolean => steps.filter((step) => step <= 1.5 * grain).length * 2 >= steps.length
  return GRAINS.find(fits) ?? GRAINS[0]
}

/** How far apart rows are around a place, by those beside it and not by the hole itself; where rows that
 *  were thinned out meet others, the wider distance counts. */
export function grainAt(times: readonly number[], place: number): number {
  return Math.max(grainOf(times, place - NEAR, place - 1), grainOf(times, place + 1, place + NEAR))
}

const isHole = (step: number, grain: number): boolean => step > 1.5 * grain

/** Runs of rows without a hole: `[first, last]` each. */
export function runsOf(times: readonly number[]): readonly (readonly [number, number])[] {
  const runs: [number, number][] = []
  times.forEach((at, place) => {
    const run = runs.at(-1)
    if (run !== undefined && !isHole(at - (times[place - 1] ?? at), grainAt(times, place))) run[1] = at
    else runs.push([at, at])
  })
  return runs
}

export interface Hole {
  /** The last row before it; null: none in what is looked at. */
  readonly from: number | null
  /** The first row after it. */
  readonly to: number | null
}

/** Null where an instant is recorded; else the hole it lies in. */
export function holeAt(times: readonly number[], at: number): Hole | null {
  const after = times.findIndex((each) => each > at)
  const place = after < 0 ? times.length : after
  const from = times[place - 1] ?? null
  const to = times[place] ?? null
  if (from !== null && !isHole(at - from, grainAt(times, place))) return null
  return { from, to }
}

/** Whether rows of an answer are of the instant that was asked for, and not of long before. */
export function isOf(at: number, newest: number | null, times: readonly number[]): boolean {
  if (newest === null) return false
  const after = times.findIndex((each) => each > at)
  return !isHole(at - newest, grainAt(times, after < 0 ? times.length : after))
}
