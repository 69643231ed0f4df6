import { describe, expect, it } from "vitest"

import { DEFAULT_SORT, type Listed, clicked, passes, sorted, visible } from "../src/feed/order"
import { arranged } from "../src/mobile/arrangements"
import { ScoreRowColumn as C, type Direction, type ScoreRow } from "../src/wire/types"

function listed(symbol: string, values: Partial<Record<keyof typeof C, unknown>>): Listed {
  const data: unknown[] = new Array(Object.keys(C).length).fill(null)
  data[C.components] = [null, null, null, null, null, null]
  for (const [name, value] of Object.entries(values)) data[C[name as keyof typeof C]] = value
  return { symbol, data: data as unknown as ScoreRow }
}

const ROWS = [
  listed("A", { score: 20 }), listed("B", { score: null }), listed("C", { score: 80 }), listed("D", { score: 55 }), listed("E", { score: 80 }),
]
const names = (rows: readonly Listed[]): string => rows.map((row) => row.symbol).join("")

describe("sorting", () => {
  it("puts rows without a value last, both ways", () => {
    expect(names(sorted(ROWS, [{ key: "score", descending: true }]))).toBe("CEDAB")
    expect(names(sorted(ROWS, [{ key: "score", descending: false }]))).toBe("ADCEB")
  })

  it("breaks ties by the second key, then by name", () => {
    const rows = [listed("A", { score: 1, price: 3 }), listed("B", { score: 1, price: 9 }), listed("C", { score: 2, price: 1 })]
    expect(names(sorted(rows, [{ key: "score", descending: true }, { key: "price", descending: true }]))).toBe("CBA")
  })

  it("sorts by a component and by age, oldest first when descending", () => {
    const rows = [
      listed("A", { components: [null, null, 10, null, null, null], price_as_of: 300 }),
      listed("B", { components: [null, null, 90, null, null, null], price_as_of: 100 }),
      listed("C", { price_as_of: null }),
    ]
    expect(names(sorted(rows, [{ key: "technical", descending: true }]))).toBe("BAC")
    expect(names(sorted(rows, [{ key: "age", descending: true }]))).toBe("BAC")
  })

  it("puts the farthest from 50 first on the phone, and no score last", () => {
    expect(names(arranged(ROWS, "strongest"))).toBe("ACEDB")
    expect(names(arranged(ROWS, "lowest"))).toBe("ADCEB")
  })
})

describe("a click on a header", () => {
  it("sorts descending, ascending, and then as by default", () => {
    const first = clicked(DEFAULT_SORT, "price", false)
    const second = clicked(first, "price", false)
    expect(first).toEqual([{ key: "price", descending: true }])
    expect(second).toEqual([{ key: "price", descending: false }])
    expect(clicked(second, "price", false)).toEqual(DEFAULT_SORT)
  })

  it("adds a second key with shift", () => {
    expect(clicked([{ key: "direction", descending: true }], "volume", true)).toEqual([
      { key: "direction", descending: true }, { key: "volume", descending: true },
    ])
  })
})

describe("the filter", () => {
  const none = new Set<string>()
  const row = (direction: Direction | null): Listed => listed("BTCUSDT", { direction })

  it("finds every word of the text in the name, in any case", () => {
    expect(passes(row(null), { text: "btc usd", chips: new Set() }, none)).toBe(true)
    expect(passes(row(null), { text: "eth", chips: new Set() }, none)).toBe(false)
  })

  it("takes any chosen direction, and never a row without one", () => {
    const chips = new Set(["Bullish", "Neutral"] as const)
    expect(([null, "Bullish", "Neutral", "Bearish"] as const).map((way) => passes(row(way), { text: "", chips }, none))).toEqual([
      false, true, true, false,
    ])
  })

  it("narrows to the starred ones", () => {
    const filter = { text: "", chips: new Set(["starred"] as const) }
    expect([passes(row(null), filter, none), passes(row(null), filter, new Set(["BTCUSDT"]))]).toEqual([false, true])
  })
})

describe("the window", () => {
  it("holds what is visible and four rows either side", () => {
    expect(visible(2_800, 280, 28, 500)).toEqual([96, 114])
    expect(visible(0, 280, 28, 500)).toEqual([0, 14])
    expect(visible(99_999, 280, 28, 500)).toEqual([500, 500])
    expect(visible(0, 280, 28, 0)).toEqual([0, 0])
  })
})
