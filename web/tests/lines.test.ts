import { describe, expect, it } from "vitest"

import { depthPath } from "../src/desktop/symbol/depth"
import { agedState } from "../src/feed/polled.svelte"
import { CONNECTING, type Feed } from "../src/feed/freshness"
import { pathOf } from "../src/feed/sparklines.svelte"
import { flowByCandle, interestOf, timeframeOf, volumeProfile } from "../src/ui/chart_data"
import { amount } from "../src/ui/format"
import type { FormingBar, TrackPoint } from "../src/wire/types"

const MINUTE = 60_000
const ended = (minute: number, flow: number | null): TrackPoint => [(minute + 1) * MINUTE, flow, null]

describe("a small line", () => {
  it("goes from left to right, high values on top", () => {
    expect(pathOf([0, 100])).toBe("M0 17L76 1")
  })

  it("breaks where a value is missing, and one value is no line", () => {
    expect([pathOf([0, 50, null, 50, 100]).split("M").length - 1, pathOf([50]), pathOf([null, 50, null]), pathOf([])]).toEqual([2, "", "", ""])
  })
})

describe("cumulative flow by candle", () => {
  const opens = [0, 5 * MINUTE, 10 * MINUTE]

  it("adds up the minutes of each candle on top of those before", () => {
    const minutes = [ended(3, 2), ended(4, 1), ended(5, -4)]
    expect(flowByCandle(opens, 5 * MINUTE, minutes).map(({ value }) => value)).toEqual([3, -1, null])
  })

  it("begins anew after a minute that was not received whole", () => {
    const minutes = [ended(3, 2), ended(4, null), ended(5, 7)]
    expect(flowByCandle(opens, 5 * MINUTE, minutes).map(({ value }) => value)).toEqual([null, 7, null])
  })

  it("does not count what was before the first candle", () => {
    expect(flowByCandle([5 * MINUTE], 5 * MINUTE, [ended(1, 100), ended(6, 1)])[0]?.value).toBe(1)
  })
})

describe("open interest", () => {
  it("is hours, then minutes, and never both of one time", () => {
    expect(interestOf([[1, 10], [2, 20], [3, 30]], [[3, null, null], [4, null, 40]])).toEqual([[1, 10], [2, 20], [3, 30], [4, 40]])
    expect(interestOf([[1, 10], [5, 50]], [[4, null, 40]])).toEqual([[1, 10], [4, 40]])
  })
})

describe("the volume profile", () => {
  const candle = (low: number, high: number, volume: number): FormingBar => [0, low, high, low, high, volume]

  it("loses no volume", () => {
    const bins = volumeProfile([candle(100, 110, 30), candle(104, 104, 7), candle(99, 120, 11)], 13)
    expect(bins.reduce((sum, { volume }) => sum + volume, 0)).toBeCloseTo(48, 9)
  })

  it("puts it where it was traded", () => {
    expect(volumeProfile([candle(0, 10, 10), candle(0, 5, 10)], 2).map(({ volume }) => volume)).toEqual([15, 5])
  })

  it("is empty without a range", () => {
    expect([volumeProfile([], 10), volumeProfile([candle(5, 5, 3)], 10)]).toEqual([[], []])
  })
})

describe("the depth curve", () => {
  it("has the middle in the middle and rises to both sides", () => {
    const curve = depthPath([[99, 1, 1], [90, 1, 2]], [[101, 1, 1], [105, 3, 4]])
    expect(curve).toMatchObject({ low: 90, high: 110 })
    expect(curve?.asks).toBe("M165.0 120V91.0H225.0V4.0H300V120Z")
  })

  it("needs both sides", () => {
    expect(depthPath([], [[101, 1, 1]])).toBeNull()
  })
})

describe("the state of a polled number", () => {
  const live: Feed = { ...CONNECTING, kind: "live", dead: false }
  const at = (age: number, said = "live" as const, feed = live, failed = false): string =>
    agedState(said, 1_000_000, 2_000, 5_000, 1_000_000 + age, feed, failed)

  it("ages by itself", () => {
    expect([at(2_000), at(2_001), at(5_001)]).toEqual(["live", "delayed", "stale"])
  })

  it("is stale when the feed is dead or the request fails, and absent stays absent", () => {
    expect([at(0, "live", CONNECTING), at(0, "live", live, true)]).toEqual(["stale", "stale"])
    expect(agedState("absent", null, null, null, 0, CONNECTING, true)).toBe("absent")
  })
})

describe("an amount", () => {
  it.each([[0.031, "0.0310"], [0.000123, "0.000123"], [7.5, "7.50"], [42.25, "42.3"], [355.2, "355"], [30_459, "30.5\u202fk"], [0, "0"]])("of %d reads %s", (value, text) => {
    expect(amount(value)).toBe(text)
  })
})

describe("the timeframe of an address", () => {
  it("is one of four, else five minutes", () => {
    expect(["1m", "4h", "2h", undefined].map(timeframeOf)).toEqual(["1m", "4h", "5m", "5m"])
  })
})
