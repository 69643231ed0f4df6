import { describe, expect, it } from "vitest"

import { EngineClock } from "../src/feed/clock"
import { type FeedFacts, feedOf, priceState, reasonText, valueState } from "../src/feed/freshness"
import type { Limits } from "../src/wire/types"

const LIMITS: Limits = { heartbeat_ms: 5_000, price_delayed_ms: 3_000, price_stale_ms: 10_000, coverage_floor: 0.5 }
const FACTS: FeedFacts = {
  connected: true, held: true, silent: false, slept: false, silence: 200, now: 100_000, newest: 99_500, limits: LIMITS,
}

describe("the state of a price", () => {
  it("goes from live over delayed to stale as it ages", () => {
    expect([0, 2_999, 3_000, 9_999, 10_000].map((age) => priceState("live", age, LIMITS))).toEqual([
      "live", "live", "delayed", "delayed", "stale",
    ])
  })

  it("is never better than the server said", () => {
    expect([priceState("delayed", 0, LIMITS), priceState("stale", 4_000, LIMITS), priceState("absent", 0, LIMITS)]).toEqual([
      "delayed", "stale", "absent",
    ])
  })

  it("is absent without a time", () => {
    expect(priceState("live", null, LIMITS)).toBe("absent")
  })
})

describe("the state of the feed", () => {
  it("is live while the newest price is young", () => {
    expect(feedOf(FACTS)).toMatchObject({ kind: "live", dead: false, age: 500 })
  })

  it("turns delayed, then stale, when prices stop while the engine lives", () => {
    expect(feedOf({ ...FACTS, newest: 96_000 })).toMatchObject({ kind: "delayed", dead: false, age: 4_000 })
    expect(feedOf({ ...FACTS, newest: 58_000 })).toMatchObject({ kind: "stale", silence: 42_000, newest: 58_000 })
  })

  it("is dead when the engine is silent, the page has slept or the connection is gone", () => {
    for (const fault of [{ silent: true }, { slept: true }, { connected: false }]) {
      expect(feedOf({ ...FACTS, ...fault }).dead).toBe(true)
    }
  })

  it("names a lost connection", () => {
    expect(feedOf({ ...FACTS, connected: false }).kind).toBe("offline")
    expect(feedOf({ ...FACTS, connected: false, held: false }).kind).toBe("offline")
    expect(feedOf({ ...FACTS, held: false }).kind).toBe("connecting")
  })

  it("makes every value stale when it is dead, and leaves absent ones absent", () => {
    const dead = feedOf({ ...FACTS, silent: true })
    expect([valueState("live", dead), valueState("delayed", dead), valueState("absent", dead)]).toEqual(["stale", "stale", "absent"])
  })
})

describe("a reason", () => {
  it("is said in words", () => {
    expect(reasonText("no_feed")).toBe("no feed")
    expect(reasonText("crossed_book")).toBe("book crossed, re-reading")
    expect(reasonText(null)).toBe("no value")
  })

  it("has the counts where they are known", () => {
    expect(reasonText("warming_up", 34, 200)).toBe("warming up, 34 of 200")
    expect(reasonText("too_few", 41)).toBe("collecting, n = 41")
  })
})

describe("the engine's clock", () => {
  it("runs on by the browser's monotonic clock", () => {
    const clock = new EngineClock()
    clock.anchor(1_000_000, 50, 5_000)
    clock.beat(1_001_000, 100, 1_050)
    expect(clock.now(1_550)).toBe(1_001_500)
  })

  it("falls silent three seconds after the last heartbeat", () => {
    const clock = new EngineClock()
    clock.anchor(1_000_000, 0, 5_000)
    clock.beat(1_000_500, 0, 500)
    expect([clock.silent(3_500), clock.silent(3_501)]).toEqual([false, true])
  })

  it("falls silent when the web process has not heard of the engine for longer than the limit", () => {
    const clock = new EngineClock()
    clock.anchor(1_000_000, 0, 5_000)
    clock.beat(1_000_500, 5_001, 500)
    expect(clock.silent(500)).toBe(true)
    expect(clock.silence(600)).toBe(5_101)
  })

  it("keeps ages rising while the clock of a dead engine stands still on the server", () => {
    const clock = new EngineClock()
    clock.anchor(1_000_000, 0, 5_000)
    for (let second = 1; second <= 40; second += 1) {
      clock.beat(1_000_000 + Math.min(second * 1_000, 5_000), second * 1_000, second * 1_000)
    }
    expect(clock.now(40_000)).toBe(1_040_000)
  })
})
