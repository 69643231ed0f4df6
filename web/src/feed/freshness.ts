// How fresh a number is, and the words for it.

import type { Limits, Reason, Source, State } from "../wire/types"

/** A state, or that a number is of the past: it has no age then, and is never live. */
export type Shown = State | "past"

export const MARKS: Readonly<Record<Shown, string>> = { live: "●", delayed: "◐", stale: "○", absent: "—", past: "◷" }

const ORDER: readonly State[] = ["live", "delayed", "stale", "absent"]

export function worst(a: State, b: State): State {
  return ORDER.indexOf(a) >= ORDER.indexOf(b) ? a : b
}

/** State of a price by its age, never better than the server said. */
export function priceState(said: State, age: number | null, limits: Limits): State {
  if (said === "absent" || age === null) return "absent"
  if (age >= limits.price_stale_ms) return "stale"
  return age >= limits.price_delayed_ms ? worst(said, "delayed") : said
}

/** State of a value while the feed behind it is in `feed`: a dead feed makes it stale. */
export function valueState(said: State, feed: Feed): State {
  return feed.dead && said !== "absent" ? "stale" : said
}

const REASONS: Readonly<Record<Reason, string>> = {
  no_feed: "no feed",
  stale: "too old",
  warming_up: "warming up",
  gap: "gap in the stream",
  crossed_book: "book crossed, re-reading",
  not_applicable: "does not apply",
  too_few: "collecting",
  unproven: "unproven",
}

/** A reason in words, with the counts where they are known. */
export function reasonText(reason: Reason | null, have: number | null = null, need: number | null = null): string {
  if (reason === null) return "no value"
  const words = REASONS[reason] ?? reason
  if (have === null) return words
  if (reason === "too_few") return `${words}, n = ${have}${need === null ? "" : ` of ${need}`}`
  return need === null ? `${words}, ${have} so far` : `${words}, ${have} of ${need}`
}

const VENUES: Readonly<Record<Source, string>> = {
  bybit: "Bybit",
  binance: "Binance",
  ccxt: "CCXT",
  simulator: "Simulator",
  replay: "Replay",
}

export function venueName(source: Source | null): string {
  return source === null ? "The feed" : VENUES[source]
}

/** Where a row's data come from; made or recorded data name the venue they stand for. */
export function originName(source: Source, venue: string): string {
  const place = VENUES[venue as Source] ?? venue
  return place === VENUES[source] ? place : `${VENUES[source]} · ${place}`
}

/** What the whole page can say of its data. */
export interface Feed {
  readonly kind: "connecting" | "live" | "delayed" | "stale" | "offline"
  /** Everything on the page must be shown as stale. */
  readonly dead: boolean
  /** Age of the newest price, milliseconds; null while there is none. */
  readonly age: number | null
  /** How long nothing was heard, milliseconds. */
  readonly silence: number
  /** Venue time of the newest price, milliseconds UTC. */
  readonly newest: number | null
}

export const CONNECTING: Feed = { kind: "connecting", dead: true, age: null, silence: 0, newest: null }

export interface FeedFacts {
  readonly connected: boolean
  readonly held: boolean
  /** No heartbeat, or an engine that went silent. */
  readonly silent: boolean
  /** The page slept: nothing it shows is vouched for before a new snapshot. */
  readonly slept: boolean
  readonly silence: number
  readonly now: number
  readonly newest: number | null
  readonly limits: Limits | null
}

/** The state of the whole feed: connection first, then the engine, then the newest price. */
export function feedOf(facts: FeedFacts): Feed {
  const { held, connected, silent, slept, silence, newest, limits } = facts
  if (!held || limits === null) {
    return { ...CONNECTING, kind: connected ? "connecting" : "offline", silence }
  }
  const age = newest === null ? null : Math.max(0, facts.now - newest)
  const dead = silent || slept || !connected
  if (dead) return { kind: connected ? "stale" : "offline", dead, age, silence: Math.max(silence, age ?? 0), newest }
  if (age !== null && age >= limits.price_stale_ms) return { kind: "stale", dead: false, age, silence: age, newest }
  if (age !== null && age >= limits.price_delayed_ms) return { kind: "delayed", dead: false, age, silence, newest }
  return { kind: "live", dead: false, age, silence, newest }
}
