import { describe, expect, it } from "vitest"

import { COLUMN_IDS, columnsOf, moved, template, toggled } from "../src/desktop/board/columns"
import { chipsText, filterOf, sortText, sortsOf } from "../src/desktop/board/query"
import { DEFAULT_SORT, passes } from "../src/feed/order"
import { ScoreRowColumn as C, type ScoreRow } from "../src/wire/types"

describe("the columns a reader keeps", () => {
  it("are the usual ones when nothing usable was kept", () => {
    expect([columnsOf([]), columnsOf([7, "gone"])]).toEqual([COLUMN_IDS, COLUMN_IDS])
  })

  it("drop what is no column and what is there twice", () => {
    expect(columnsOf(["price", "price", "__proto__", "oi"])).toEqual(["price", "oi"])
  })

  it("move by one and stop at the ends", () => {
    expect(moved(["live", "price", "oi"], "oi", -1)).toEqual(["live", "oi", "price"])
    expect(moved(["live", "price"], "live", -1)).toEqual(["live", "price"])
  })

  it("come back to their usual place, and one always stays", () => {
    expect(toggled(["live", "oi"], "price")).toEqual(["live", "price", "oi"])
    expect(toggled(["oi"], "oi")).toEqual(["oi"])
  })

  it("have a track each, six for the components", () => {
    const [tracks, least] = template(["components", "price"])
    expect([tracks.split(" ").length, least]).toEqual([8, 322 + 6 * 38 + 92])
  })
})

describe("the board's state in the address", () => {
  it("is two sort keys at most, and the default without any", () => {
    expect(sortsOf("-price,symbol,-oi")).toEqual([{ key: "price", descending: true }, { key: "symbol", descending: false }])
    expect([sortsOf(undefined), sortsOf("constructor")]).toEqual([DEFAULT_SORT, DEFAULT_SORT])
  })

  it("comes back as it was written, and the default is nothing", () => {
    expect([sortText(sortsOf("-price,symbol")), sortText(DEFAULT_SORT)]).toEqual(["-price,symbol", ""])
    const { chips, text } = filterOf(new Map([["f", "Bearish,low,what"], ["q", "eth"]]))
    expect([chipsText(chips), text]).toEqual(["Bearish,low", "eth"])
  })
})

describe("chips", () => {
  const row = (score: number | null, confidence: number | null, volume: number | null): { symbol: string; data: ScoreRow } => {
    const data: unknown[] = new Array(Object.keys(C).length).fill(null)
    Object.assign(data, { [C.score]: score, [C.confidence]: confidence, [C.volume_24h]: volume })
    return { symbol: "AUSDT", data: data as unknown as ScoreRow }
  }
  const shown = (chips: string, ...values: (number | null)[]): boolean =>
    passes(row(values[0] ?? null, values[1] ?? null, values[2] ?? null), filterOf(new Map([["f", chips]])), new Set())

  it("widen within a kind", () => {
    expect([shown("high,low", 70), shown("high,low", 30), shown("high,low", 50), shown("high", 30)]).toEqual([true, true, false, false])
  })

  it("narrow between kinds", () => {
    expect([shown("high,sure", 90, 40), shown("high,sure", 90, 39), shown("traded", 1, 1, 5e7)]).toEqual([true, false, true])
  })

  it("let nothing through whose value is missing", () => {
    expect(["high", "low", "sure", "traded", "Neutral"].map((chip) => shown(chip, null, null, null))).toEqual([false, false, false, false, false])
  })
})
