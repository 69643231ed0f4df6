import { describe, expect, it } from "vitest"

import { age, ageWords, clock, compact, instant, number, percentOfFraction, price, share, signed } from "../src/ui/format"

describe("a missing value", () => {
  it("is a dash in every format, never a nought", () => {
    const texts = [number(null, 2), signed(null, 2), price(null), compact(null), percentOfFraction(null), share(null), age(null), clock(null), instant(null)]
    expect(new Set(texts)).toEqual(new Set(["—"]))
  })
})

describe("a number", () => {
  it("has a true minus and narrow spaces between thousands", () => {
    expect(number(-1234567.891, 2)).toBe("−1\u202f234\u202f567.89")
  })

  it("has no sign when it rounds to nought", () => {
    expect([signed(0.004, 2), signed(-0.004, 2), signed(0, 1), number(-0.0001, 2)]).toEqual(["0.00", "0.00", "0.0", "0.00"])
  })

  it("says up and down by sign", () => {
    expect([signed(3.14, 1), signed(-3.14, 1)]).toEqual(["+3.1", "−3.1"])
  })
})

describe("a price", () => {
  it.each([
    [101444.3, "101\u202f444.30"], [100, "100.00"], [99.5, "99.5000"], [1, "1.0000"], [0.24567, "0.2457"],
    [0.013086, "0.01309"], [0.00001234, "0.00001234"], [0, "0.0000"],
  ])("of %d reads %s", (value, text) => {
    expect(price(value)).toBe(text)
  })
})

describe("a turnover", () => {
  it.each([
    [5_523_126_436, "5.52\u202fB"], [35_400_000, "35.4\u202fM"], [465_000_000, "465\u202fM"], [999_999_999, "1.00\u202fB"],
    [1_500, "1.50\u202fk"], [12, "12"], [0, "0"],
  ])("of %d reads %s", (value, text) => {
    expect(compact(value)).toBe(text)
  })
})

describe("other numbers", () => {
  it("shows funding as percent, shares without their nought", () => {
    expect([percentOfFraction(0.0001), percentOfFraction(-0.000051), share(0.74), share(1)]).toEqual([
      "+0.0100", "−0.0051", ".74", "1.00",
    ])
  })
})

describe("an age", () => {
  it.each([
    [-5, "0s"], [2_900, "2s"], [59_999, "59s"], [60_000, "1m"], [12_780_000, "3h 33m"], [14_400_000, "4h"], [260_000_000, "3d"],
  ])("of %d ms reads %s", (value, text) => {
    expect(age(value)).toBe(text)
  })

  it("is said in words in a band", () => {
    expect([42_400, 185_000, 7_440_000, 300_000_000].map(ageWords)).toEqual(["42 s", "3 min 5 s", "2 h 4 min", "3 days"])
  })
})

describe("a time", () => {
  it("is UTC and says so", () => {
    const at = Date.UTC(2026, 6, 19, 14, 3, 7, 250)
    expect([clock(at), instant(at)]).toEqual(["14:03:07 UTC", "2026-07-19 14:03:07.250 UTC"])
  })
})
