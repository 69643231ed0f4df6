import { describe, expect, it } from "vitest"

import { scoresByCandle, withForming } from "../src/ui/chart_data"
import { coverageText, step } from "../src/ui/words"
import type { FormingBar } from "../src/wire/types"

const candle = (open: number): FormingBar => [open, 1, 2, 0.5, 1.5, 10]

describe("scores on the candles' axis", () => {
  it("take the last score within each candle, and leave a hole where there was none", () => {
    const points = [[90, 40], [100, 50], [155, 60], [170, null], [310, 70]] as const
    expect(scoresByCandle([100, 200, 300], 100, points).map((at) => at.value)).toEqual([60, null, 70])
  })
})

describe("the open candle", () => {
  it("follows the closed ones", () => {
    expect(withForming([candle(100)], candle(200)).map((bar) => bar[0])).toEqual([100, 200])
  })

  it("is left out when it has closed meanwhile, or is not known", () => {
    expect(withForming([candle(100), candle(200)], candle(200)).length).toBe(2)
    expect(withForming([candle(100)], undefined).length).toBe(1)
  })
})

describe("words", () => {
  it("put 0 to 100 into ten steps", () => {
    expect([0, 9.99, 10, 49.9, 50, 99.9, 100].map(step)).toEqual([0, 0, 1, 4, 5, 9, 9])
  })

  it("say what a score lacks", () => {
    expect(coverageText(0.42, 0.5)).toBe("coverage 0.42, needs 0.50")
  })
})
