import { describe, expect, it, vi } from "vitest"

import { isOpen, ToldSignals, withTold } from "../src/desktop/signals/told.svelte"
import { feeText, meanText, rateText, stateText } from "../src/desktop/signals/words"
import type { SignalRecord } from "../src/wire/types"

const open = { state: "active", outcome: null, left_at: null, targets_hit: 0, targets: [1, 2, 3] } as unknown as SignalRecord

describe("what is said of signals", () => {
  it("gives a rate with its denominator and interval, or the count alone", () => {
    const rate = { n: 40, hits: 12, rate: 0.3, low: 0.181, high: 0.454, n_eff: 40, reason: null }
    expect(rateText(rate)).toBe("12 of 40: 30 % [18, 45]")
    expect(rateText({ ...rate, n: 3, hits: 3, rate: null, low: null, high: null, reason: "too_few" })).toBe("3 of 3: too few")
  })

  it("gives a mean with n, or says too few", () => {
    expect(meanText({ n: 40, mean: 0.12, low: -0.1, high: 0.34, reason: null })).toBe("+0.12 [−0.10, +0.34], n = 40")
    expect(meanText({ n: 0, mean: null, low: null, high: null, reason: "no_feed" })).toBe("no fee known")
    expect(meanText({ n: 2, mean: null, low: null, high: null, reason: "too_few" })).toBe("too few, n = 2")
  })

  it("says whose fee was taken off, or that none is known", () => {
    expect(feeText({ taker_percent: 0.055, source: "published by Bybit", reason: null })).toContain("0.055 % each way, published by Bybit")
    expect(feeText({ taker_percent: null, source: null, reason: "no_feed" })).toBe("No fee of this venue is known")
  })

  it("says how a signal fares, and what ended it", () => {
    expect(stateText(open)).toBe("active")
    expect(stateText({ ...open, state: "confirmed", targets_hit: 1, left_at: 5 })).toBe("confirmed, 1 of 3 targets, direction left")
    expect(stateText({ ...open, state: "closed", outcome: "direction_left" })).toBe("closed: direction left")
  })
})

function signal(id: string, opened_at: number, more: Partial<SignalRecord> = {}): SignalRecord {
  return { id, opened_at, state: "active", followed_to: null, source: "bybit", ...more } as unknown as SignalRecord
}

describe("a list with what the socket told since", () => {
  const all = (): boolean => true

  it("puts new ones first and newer forms in place, and never goes back", () => {
    const listed = [signal("b", 20, { followed_to: 50 }), signal("a", 10, { state: "expired" })]
    const told = new Map([
      ["c", signal("c", 30)],
      ["b", signal("b", 20, { followed_to: 40 })],
      ["a", signal("a", 10)],
    ])
    const found = withTold(listed, told, all)
    expect(found.map((each) => [each.id, each.state, each.followed_to])).toEqual([
      ["c", "active", null], ["b", "active", 50], ["a", "expired", null],
    ])
    told.set("b", signal("b", 20, { followed_to: 60, state: "closed" }))
    expect(withTold(listed, told, isOpen).map((each) => each.id)).toEqual(["c"])
  })

  it("leaves to its own page what was opened before the last of this one", () => {
    expect(withTold([signal("b", 20)], new Map([["a", signal("a", 10)]]), all)).toHaveLength(1)
    expect(withTold([], new Map([["a", signal("a", 10)]]), all)).toHaveLength(1)
  })
})

describe("what the socket tells of signals", () => {
  it("holds the newest of each, drops what is open no more, and has the list read again", () => {
    const frames: FrameRequestCallback[] = []
    vi.stubGlobal("requestAnimationFrame", (each: FrameRequestCallback) => frames.push(each))
    const again = vi.fn()
    const told = new ToldSignals(again)
    const say = (each: SignalRecord): void => told.receive({ type: "signal", epoch: "one", signal: each })
    told.receive({ type: "signals", epoch: "one", open: ["a", "b"], reasons: [] })
    expect(again).toHaveBeenCalledTimes(1)
    say(signal("a", 10))
    say(signal("b", 20))
    say(signal("b", 20, { state: "closed" }))
    expect(frames).toHaveLength(1)
    frames[0]?.(0)
    expect([...told.told.values()].map((each) => [each.id, each.state])).toEqual([["a", "active"], ["b", "closed"]])
    told.receive({ type: "signals", epoch: "two", open: [], reasons: ["the engine is silent"] })
    expect([[...told.told.keys()], told.reasons]).toEqual([["b"], ["the engine is silent"]])
    expect(again).toHaveBeenCalledTimes(2)
    vi.unstubAllGlobals()
  })
})
