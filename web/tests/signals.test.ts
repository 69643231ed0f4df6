import { describe, expect, it } from "vitest"

import { meanText, rateText, stateText } from "../src/desktop/signals/words"
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
    expect(meanText({ n: 2, mean: null, low: null, high: null, reason: "too_few" })).toBe("too few, n = 2")
  })

  it("says how a signal fares, and what ended it", () => {
    expect(stateText(open)).toBe("active")
    expect(stateText({ ...open, state: "confirmed", targets_hit: 1, left_at: 5 })).toBe("confirmed, 1 of 3 targets, direction left")
    expect(stateText({ ...open, state: "closed", outcome: "direction_left" })).toBe("closed: direction left")
  })
})
