import { describe, expect, it } from "vitest"

import { intervalOf, leadText, valueOf as betaValue } from "../src/desktop/beta/columns"
import { pointsOf, reach } from "../src/desktop/beta/returns"
import { floorOf, listsOf, moversPath, sizeOf, windowOf } from "../src/desktop/movers/moves"
import { spreadOf } from "../src/desktop/overview/histogram"
import { rulesOf, since } from "../src/desktop/overview/regime"
import { treemap } from "../src/desktop/overview/treemap"
import { lastOf, reachOf, withHoles } from "../src/ui/lines"
import { type Column, orderOf, orderText, ordered, turned } from "../src/ui/sorting"
import type { BetaRecord, CandlesDocument, MarketOverview, MoversAnswer, RecordedOverview } from "../src/wire/types"

describe("tiles", () => {
  const sized = [["A", 44], ["B", 22], ["C", 12], ["D", 9], ["E", 7], ["F", 4], ["G", 2]].map(([name, size]) => ({ name: name as string, size: size as number }))
  const tiles = treemap(sized, 800, 400)

  it("have areas in proportion to the sizes, and fill the whole", () => {
    for (const { name, size } of sized) {
      const tile = tiles.find((each) => each.name === name)
      expect((tile?.width ?? 0) * (tile?.height ?? 0)).toBeCloseTo((size / 100) * 800 * 400, 4)
    }
  })

  it("lie within it, and none over another", () => {
    for (const tile of tiles) {
      expect(tile.left).toBeGreaterThanOrEqual(-1e-9)
      expect(tile.left + tile.width).toBeLessThanOrEqual(800 + 1e-9)
      expect(tile.top + tile.height).toBeLessThanOrEqual(400 + 1e-9)
      for (const other of tiles) {
        if (other.name === tile.name) continue
        const wide = Math.min(tile.left + tile.width, other.left + other.width) - Math.max(tile.left, other.left)
        const tall = Math.min(tile.top + tile.height, other.top + other.height) - Math.max(tile.top, other.top)
        expect(Math.min(wide, tall)).toBeLessThan(1e-6)
      }
    }
  })

  it("are none where nothing has a size", () => {
    expect(treemap([{ name: "A", size: 0 }], 100, 100)).toEqual([])
    expect(treemap(sized, 0, 100)).toEqual([])
  })
})

describe("scores over ten bins", () => {
  it("count no absent score, and put 100 into the last", () => {
    const spread = spreadOf([["A", 0], ["B", 50], ["C", 100], ["D", null], ["E", 59.9]])
    expect(spread.bins.map((bin) => bin.symbols.length)).toEqual([1, 0, 0, 0, 0, 2, 0, 0, 0, 1])
    expect(spread.absent).toEqual(["D"])
    expect(spread.median).toBeCloseTo(54.95, 9)
    expect(spreadOf([["A", null]]).median).toBeNull()
  })
})

describe("the regime", () => {
  const point = (at: number, market_regime: string | null): RecordedOverview => ({ at, market_regime }) as RecordedOverview

  it("stands since the last change that was recorded, or at least since the record began", () => {
    const points = [point(1, "quiet"), point(2, "ranging"), point(3, "ranging")]
    expect(since(points, "ranging", 1)).toEqual({ at: 2, exact: true })
    expect(since(points.slice(1), "ranging", 1)).toEqual({ at: 2, exact: false })
    expect(since([point(1, "quiet"), ...[2, 3, 9, 10].map((at) => point(at, "ranging"))], "ranging", 1)).toEqual({ at: 9, exact: false })
    expect(since(points, "volatile", 1)).toBeNull()
    expect(since([], "ranging", 1)).toBeNull()
    expect(since([point(1, null)], null, 1)).toBeNull()
  })

  it("says of each rule whether its figure holds, and nothing of what is not known", () => {
    const rules = rulesOf({ trend_strength: 30, breadth: null, volatility_percentile: 90 })
    expect(rules[0]?.conditions[0]).toEqual({ text: "volatility percentile ≥ 90", now: "90", holds: true })
    expect(rules[1]?.conditions.map((each) => each.holds)).toEqual([true, null])
    expect(rules[1]?.conditions[1]?.now).toBe("—")
    expect(rules[3]?.conditions[0]?.holds).toBe(false)
  })
})

describe("sorting by a column", () => {
  const columns: Column[] = [
    { key: "symbol", title: "", tip: "", width: "", left: true }, { key: "beta", title: "", tip: "", width: "" },
    { key: "lead", title: "", tip: "", width: "", still: true },
  ]
  const fallback = { key: "beta", descending: true }

  it("is read from the address and written to it; the usual one is nothing", () => {
    expect(orderOf("-symbol", columns, fallback)).toEqual({ key: "symbol", descending: true })
    expect(orderOf("lead", columns, fallback)).toBe(fallback)
    expect(orderOf("<b>", columns, fallback)).toBe(fallback)
    expect(orderText({ key: "beta", descending: false }, fallback)).toBe("beta")
    expect(orderText({ ...fallback }, fallback)).toBe("")
  })

  it("falls first for numbers and rises for names", () => {
    const [name, beta] = [columns[0] as Column, columns[1] as Column]
    expect(turned(null, beta)).toEqual({ key: "beta", descending: true })
    expect(turned(fallback, beta)).toEqual({ key: "beta", descending: false })
    expect(turned(fallback, name)).toEqual({ key: "symbol", descending: false })
  })

  it("puts what is not known last both ways, and equal ones by name", () => {
    const rows = [["C", 1], ["A", 1], ["B", null], ["D", 2]].map(([symbol, beta]) => ({ symbol: symbol as string, beta: beta as number | null }))
    const names = (descending: boolean): string => ordered(rows, { key: "beta", descending }, (row) => row.beta).map((row) => row.symbol).join("")
    expect(names(true)).toBe("DACB")
    expect(names(false)).toBe("ACDB")
    expect(ordered(rows, null, () => null).map((row) => row.symbol).join("")).toBe("CABD")
  })
})

describe("lines over time", () => {
  it("break where the record has a hole", () => {
    expect(withHoles([1_000, 2_000, 9_000], [[1, 2, 3]], 3_000)).toEqual([[1, 2, 2.001, 9], [1, 2, null, 3]])
    expect(lastOf([1, null])).toBe(1)
    expect(lastOf([null])).toBeNull()
    expect(reachOf([3, null, -1])).toEqual([-1, 3])
    expect(reachOf([])).toBeNull()
  })
})

describe("returns against Bitcoin", () => {
  const candles = (closes: readonly (readonly [number, number])[]): CandlesDocument =>
    ({ candles: closes.map(([at, close]) => [at, 0, 0, 0, close, 0]) }) as unknown as CandlesDocument

  it("are of neighbours that both have", () => {
    const own = candles([[0, 100], [300, 110], [600, 121], [1200, 1], [1500, 2]])
    const bitcoin = candles([[0, 10], [300, 20], [1200, 3], [1500, 3]])
    const points = pointsOf(own, bitcoin, 1_000)
    expect(points.xs).toHaveLength(2) // 0 to 300, and 1200 to 1500; a hole is no return
    expect(points.xs[0]).toBeCloseTo(100 * Math.log(2), 9)
    expect(points.ys[0]).toBeCloseTo(100 * Math.log(1.1), 9)
    expect(points.xs[1]).toBe(0)
  })

  it("leave the farthest out of the picture, and never nothing in it", () => {
    expect(reach([])).toBeCloseTo(0.011, 9)
    expect(reach(Array.from({ length: 1_000 }, (_, index) => (index === 0 ? 100 : 1)))).toBeCloseTo(1.1, 9)
  })

  it("have an interval and a lead in words", () => {
    const [low, high] = intervalOf({ raw_beta: 1, standard_error: 0.1 }) ?? [0, 0]
    expect([low.toFixed(3), high.toFixed(3)]).toEqual(["0.804", "1.196"])
    expect(intervalOf({ raw_beta: null, standard_error: null })).toBeNull()
    expect(leadText({ lead_lag: { bars: 2, correlation: 0.2 } }, 5)).toBe("Bitcoin 10 min ahead")
    expect(leadText({ lead_lag: { bars: -4, correlation: 0.2 } }, 5)).toBe("20 min before Bitcoin")
    expect(leadText({ lead_lag: null }, 5)).toBe("")
    expect(betaValue({ symbol: "BTCUSDT", reason: "not_applicable", samples: 0 } as BetaRecord, "samples")).toBeNull()
  })
})

describe("movers", () => {
  it("are asked for by what the address says, however it was written", () => {
    expect([windowOf("4h"), windowOf("9y"), windowOf(undefined)]).toEqual(["4h", "1h", "1h"])
    expect([floorOf("1e6"), floorOf("-5"), floorOf("x"), floorOf(undefined)]).toEqual([1e6, 0, 0, 0])
    expect(sizeOf("7")).toBe("10")
    expect(moversPath("15m", 5e6, "25")).toBe("/api/market/movers?window=15m&min_volume=5000000&limit=25")
  })

  it("take the scores of a day from the overview, under the same floor", () => {
    const answer = {
      window: "24h", min_volume: 100, gainers: [], losers: [], score_risers: [], score_fallers: [], compared: 3, scores_compared: 0,
      price_reason: null, score_reason: "not_applicable",
    } as unknown as MoversAnswer
    const move = (symbol: string): object => ({ symbol, score: 60, before: 40, change: 20, since: 0, state: "live" })
    const overview = { score_movers_24h: { risers: [move("A"), move("B")], fallers: [], compared: 9, window_ms: 1, as_of: 0 }, quality: {} } as unknown as MarketOverview
    const lists = listsOf(answer, overview, (symbol) => ({ price: 1, volume: symbol === "A" ? 500 : 5, direction: null }))
    expect(lists.risers.rows.map((row) => row.symbol)).toEqual(["A"])
    expect([lists.risers.compared, lists.risers.reason, lists.risers.before?.get("A")]).toEqual([9, null, 40])
    const none = { score_movers_24h: null, quality: { score_movers_24h: { state: "absent", as_of: null, reason: "warming_up", basis: null } } } as unknown as MarketOverview
    expect(listsOf(answer, none, () => undefined).risers).toMatchObject({ rows: [], reason: "warming_up" })
  })
})
