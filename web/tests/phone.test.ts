import { beforeEach, describe, expect, it, vi } from "vitest"

const kept = vi.hoisted(() => {
  const store = new Map<string, string>()
  const location = { hash: "", protocol: "http:", host: "here" }
  Object.assign(globalThis, {
    localStorage: { getItem: (key: string) => store.get(key) ?? null, setItem: (key: string, value: string) => store.set(key, value) },
    window: { location, addEventListener: () => undefined, dispatchEvent: () => true },
    history: { state: null, replaceState: (_: unknown, __: string, hash: string) => (location.hash = hash), back: vi.fn() },
  })
  return store
})

import { Row } from "../src/feed/board.svelte"
import type { Feed } from "../src/feed/freshness"
import { AlertBook, inOrder } from "../src/mobile/alerts.svelte"
import { arranged, arrangementOf } from "../src/mobile/arrangements"
import { FORM, keep, KEY, type Kept, MOST, nowOf, readKept } from "../src/mobile/kept"
import { recall, Remembered } from "../src/mobile/remembered.svelte"
import { saver } from "../src/mobile/saver.svelte"
import { curve } from "../src/mobile/sheet/curve"
import type { Shown } from "../src/mobile/shown"
import { sheetOf, tabOf, TABS } from "../src/mobile/tabs"
import { ofToday } from "../src/mobile/usage.svelte"
import { placeOf } from "../src/ui/route.svelte"
import { type Alert, ScoreRowColumn as C, type ScoreRow } from "../src/wire/types"

const NOW = 1_795_272_000_000
const WALL = 1_700_000_000_000
const LIMITS = { heartbeat_ms: 3_000, price_delayed_ms: 2_000, price_stale_ms: 5_000, coverage_floor: 0.5 }
const LIVE: Feed = { kind: "live", dead: false, age: 500, silence: 0, newest: NOW - 500 }

function rowOf(symbol: string, score: number | null, change: number | null = 1, volume: number | null = 1): Row {
  const row = new Row({ row: 0, symbol, venue: "bybit", source: "simulator", definition: "", coverage_floor: null })
  const data = [...row.data] as unknown[]
  data[C.score] = score
  data[C.change_24h] = change
  data[C.volume_24h] = volume
  data[C.price] = 100
  data[C.price_as_of] = NOW - 500
  data[C.components] = [1, 2, 3, 4, 5, null]
  row.data = data as unknown as ScoreRow
  return row
}

function boardOf(rows: Row[], feed: Feed = LIVE): Shown {
  return {
    rows, row: (symbol) => rows.find((row) => row.symbol === symbol), now: NOW, ticks: 1, snapshots: 1, feed, limits: LIMITS,
    source: "simulator", simulated: true, replay: null, notices: [],
  }
}

function text(rows: Row[] = [rowOf("BTCUSDT", 80), rowOf("ETHUSDT", 10)]): string {
  return JSON.stringify(keep(boardOf(rows), WALL))
}

beforeEach(() => kept.clear())

describe("what is kept for a visit without a network", () => {
  it("comes back row by row", () => {
    const found = readKept(text(), WALL + 1) as Kept
    expect(found.symbols.map((each) => each.symbol)).toEqual(["ETHUSDT", "BTCUSDT"])
    expect(found.rows[0]?.[C.score]).toBe(10)
    expect(found.simulated).toBe(true)
  })

  it("is the strongest of many rows", () => {
    const rows = Array.from({ length: MOST + 20 }, (_, each) => rowOf(`S${each}USDT`, each % 50))
    const found = keep(boardOf([...rows, rowOf("NONEUSDT", null), rowOf("TOPUSDT", 100)]), WALL)
    expect(found?.rows).toHaveLength(MOST)
    expect(found?.symbols.some((each) => each.symbol === "TOPUSDT")).toBe(true)
    expect(found?.symbols.some((each) => each.symbol === "NONEUSDT")).toBe(false)
  })

  it("is not written while nothing is vouched for", () => {
    expect(keep(boardOf([rowOf("BTCUSDT", 80)], { ...LIVE, kind: "stale", dead: true }), WALL)).toBeNull()
    expect(keep(boardOf([]), WALL)).toBeNull()
  })

  it("is refused when it is of another form, damaged, or from the future", () => {
    expect(readKept(null, WALL)).toBe("none")
    for (const damaged of ["", "null", "[]", "{", '"x"', text().replace(`"form":${FORM}`, '"form":99'), text().replace("[1,2,3,4,5,null]", "7")]) {
      expect(readKept(damaged, WALL + 1)).toBe("form")
    }
    expect(readKept(text(), WALL - 1)).toBe("clock")
  })

  it("ages by the time that has passed, whatever the clock of the device says", () => {
    const found = readKept(text(), WALL + 1) as Kept
    expect(nowOf(found, WALL + 90_000)).toBe(NOW + 90_000)
  })
})

describe("the remembered board", () => {
  it("shows true ages that go on rising, and everything as dead", () => {
    let wall = WALL + 600_000
    kept.set(`virtuoso.${KEY}`, text())
    const found = recall(() => wall) as Remembered
    expect(found.feed).toMatchObject({ kind: "offline", dead: true, age: 600_500 })
    wall += 5_000
    found.tick()
    expect(found.feed.age).toBe(605_500)
    expect(found.now - (found.row("BTCUSDT")?.data[C.price_as_of] ?? 0)).toBe(605_500)
  })

  it("says why there is none", () => {
    expect(recall()).toContain("no numbers")
    kept.set(`virtuoso.${KEY}`, "{}")
    expect(recall()).toContain("another version")
    kept.set(`virtuoso.${KEY}`, text())
    expect(recall(() => WALL - 5)).toContain("set back")
  })
})

describe("addresses", () => {
  it("name a tab, or none", () => {
    expect(TABS.map((tab) => tabOf(tab.path))).toEqual([0, 1, 2, 3, 4])
    expect(tabOf("/s/BTCUSDT")).toBe(0)
    expect(tabOf("/nowhere")).toBeNull()
  })

  it("name the symbol of the sheet, over any tab", () => {
    expect(sheetOf(placeOf("#/s/BTCUSDT"))).toBe("BTCUSDT")
    expect(sheetOf(placeOf("#/movers?open=ETHUSDT&w=4h"))).toBe("ETHUSDT")
    expect(sheetOf(placeOf("#/movers"))).toBeNull()
    expect(sheetOf(placeOf("#/?open=%3Cimg%20src%3Dx%3E"))).toBe("<img src=x>")
  })
})

describe("the orders", () => {
  const rows = [rowOf("A", 50, 3, 5), rowOf("B", 5, null, 9), rowOf("C", null, -7, null), rowOf("D", 90, 1, 1)]
  it.each([
    ["strongest", "BDAC"], ["highest", "DABC"], ["lowest", "BADC"], ["gainers", "ADCB"], ["losers", "CDAB"], ["volume", "BADC"],
  ] as const)("put by %s what has no value last", (by, expected) => {
    expect(arranged(rows, by).map((row) => row.symbol).join("")).toBe(expected)
  })

  it("fall back to the strongest for an unknown name", () => {
    expect(arrangementOf(undefined)).toBe("strongest")
    expect(arrangementOf("toString")).toBe("strongest")
    expect(arrangementOf("volume")).toBe("volume")
  })
})

function alertOf(id: string, level: Alert["level"], state: Alert["state"], second: number): Alert {
  return { id, level, state, symbol: "BTCUSDT", rule: "r", message: id, timestamp: `2026-11-21T14:00:0${second}Z`, source: "simulator", signal: null }
}

describe("alerts", () => {
  it("stand unseen before seen, critical first, newest first", () => {
    const listed = inOrder([
      alertOf("old", "critical", "acknowledged", 9), alertOf("info", "info", "active", 9), alertOf("first", "critical", "active", 1),
      alertOf("second", "critical", "active", 2), alertOf("warning", "warning", "active", 5),
    ])
    expect(listed.map((each) => each.id)).toEqual(["second", "first", "warning", "info", "old"])
  })

  it("are taken from the socket, an id once", () => {
    const book = new AlertBook()
    book.receive({ type: "alerts", epoch: "e", number: 3, since: 0, alerts: [alertOf("a", "critical", "active", 1)] })
    expect([book.critical, book.number]).toEqual([1, 3])
    book.receive({ type: "alert", epoch: "e", number: 4, alert: alertOf("a", "critical", "resolved", 1) })
    expect([book.critical, book.number, book.alerts.length]).toEqual([0, 4, 1])
  })

  it("are marked as seen only when the server says so", async () => {
    const book = new AlertBook()
    const alert = alertOf("a", "critical", "active", 1)
    book.receive({ type: "alerts", epoch: "e", number: 1, since: 0, alerts: [alert] })
    const answer = vi.fn<() => Promise<Response>>().mockResolvedValue(new Response("{}", { status: 401 }))
    vi.stubGlobal("fetch", answer)
    expect(await book.acknowledge(alert)).toContain("signing in")
    expect(book.critical).toBe(1)
    answer.mockRejectedValue(new TypeError("gone"))
    expect(await book.acknowledge(alert)).toContain("does not answer")
    answer.mockResolvedValue(new Response('{"detail":"no such alert"}', { status: 404 }))
    expect(await book.acknowledge(alert)).toBe("no such alert")
    answer.mockResolvedValue(new Response("{}", { status: 200 }))
    expect(await book.acknowledge(alert)).toBeNull()
    expect(book.critical).toBe(0)
    vi.unstubAllGlobals()
  })
})

describe("what is saved and counted", () => {
  it("asks for updates a little faster than the period, so that the server takes the rhythm meant", () => {
    expect(saver.hz).toBe(1)
    saver.choose(30)
    expect(saver.hz).toBeGreaterThan(1 / 30)
    expect(saver.hz).toBeLessThan(0.2)
    expect([saver.every(5_000), saver.every(60_000)]).toEqual([30_000, 60_000])
    saver.choose(5)
    expect(saver.hz).toBeGreaterThanOrEqual(0.2)
    saver.choose(0)
  })

  it("counts the bytes of today, and none of another day", () => {
    expect(ofToday('{"day":"2026-11-21","bytes":7}', "2026-11-21")).toBe(7)
    for (const other of ['{"day":"2026-11-20","bytes":7}', "{}", "x", null, '{"day":"2026-11-21","bytes":"7"}']) {
      expect(ofToday(other, "2026-11-21")).toBe(0)
    }
  })
})

describe("the line of a day", () => {
  it("goes from edge to edge, low values below", () => {
    expect(curve([0, 100], 100, 50)?.line).toBe("M0 46L100 4")
    expect(curve([0, 100], 100, 50)?.area).toBe("M0 46L100 4L100 50L0 50Z")
  })

  it("is none of a single value", () => expect(curve([50], 100, 50)).toBeNull())
})
