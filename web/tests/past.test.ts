import { afterEach, describe, expect, it, vi } from "vitest"

vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined })
const { grainAt, holeAt, isOf, minuteOf, minuteText, runsOf, windowOf } = await import("../src/desktop/past/minutes")
const { PastBoard } = await import("../src/feed/past.svelte")
const { ScoreRowColumn: C } = await import("../src/wire/types")

const MINUTE = 60_000
const minutes = (first: number, last: number, step = 1): number[] => Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, place) => (first + place * step) * MINUTE)

describe("the recorded minutes", () => {
  const times = [...minutes(0, 30), ...minutes(60, 90)]

  it("are runs with a hole between, never one line", () => {
    expect(runsOf(times)).toEqual([[0, 30 * MINUTE], [60 * MINUTE, 90 * MINUTE]])
    expect(runsOf([])).toEqual([])
  })

  it("say which hole an instant lies in", () => {
    expect(holeAt(times, 45 * MINUTE)).toEqual({ from: 30 * MINUTE, to: 60 * MINUTE })
    expect(holeAt(times, 120 * MINUTE)).toEqual({ from: 90 * MINUTE, to: null })
    expect(holeAt(times, -5 * MINUTE)).toEqual({ from: null, to: 0 })
    expect([holeAt(times, 30 * MINUTE), holeAt(times, 31 * MINUTE), holeAt(times, 60.5 * MINUTE)]).toEqual([null, null, null])
    expect(holeAt([], 0)).toEqual({ from: null, to: null })
  })

  it("refuse rows of long before as the board of an instant", () => {
    expect([isOf(45 * MINUTE, 30 * MINUTE, times), isOf(30.9 * MINUTE, 30 * MINUTE, times), isOf(0, null, times)]).toEqual([false, true, false])
  })

  it("know rows that were thinned out from a hole", () => {
    const thinned = minutes(0, 120, 5)
    expect([grainAt(thinned, 3), runsOf(thinned).length, holeAt(thinned, 63 * MINUTE)]).toEqual([5 * MINUTE, 1, null])
    const both = [...thinned, ...minutes(121, 150)]
    expect(runsOf(both).length).toBe(1)
  })

  it("read an address, and nothing that is no minute", () => {
    expect(minuteText(minuteOf("2026-11-21T14:03Z") ?? 0)).toBe("2026-11-21T14:03Z")
    for (const text of [undefined, "", "2026-11-21", "2026-13-41T14:03Z", "2026-11-21T14:03:00Z", "x"]) expect(minuteOf(text)).toBeNull()
  })

  it("look at a stretch up to now, or around what is older", () => {
    expect(windowOf(90 * MINUTE, 100 * MINUTE, 60 * MINUTE)).toEqual([40 * MINUTE, 100 * MINUTE])
    const [start, end] = windowOf(100 * MINUTE, 10_000 * MINUTE, 60 * MINUTE)
    expect([start, end, windowOf(119 * MINUTE, 10_000 * MINUTE, 60 * MINUTE)[0]]).toEqual([75 * MINUTE, 135 * MINUTE, start])
  })
})

describe("the board of then", () => {
  afterEach(() => vi.unstubAllGlobals())
  const SIX = { orderbook: null, orderflow: 2, technical: 3, volume: 4, sentiment: 5, price_structure: 6 }
  const answer = {
    at: 5 * MINUTE, as_of: 4.5 * MINUTE, market: null, sources: ["simulator"], reasons: [],
    symbols: [{ symbol: "BTCUSDT", venue: "bybit", source: "simulator", at: 4.5 * MINUTE, confluence_score: 61, reason: null, confidence: 30, direction: "Bullish", coverage: 0.8, state: "live", components: SIX, contributions: SIX, absent: { orderbook: "gap" }, price: 100, change_24h: 1, volume: 2, funding: 3, oi_change_1h: null, definition: "d", as_of: 1 }],
  }

  it("has rows that are never live and have no age", async () => {
    vi.stubGlobal("fetch", () => Promise.resolve(new Response(JSON.stringify(answer))))
    const past = new PastBoard()
    await past.load(5 * MINUTE)
    const data = past.rows[0]?.data
    expect([past.past, past.feed.dead, data?.[C.score], data?.[C.reasons]?.[0], data?.[C.price_state], data?.[C.price_as_of], data?.[C.live_score]]).toEqual([true, true, 61, "gap", "stale", 4.5 * MINUTE, null])
    expect(Object.keys(C).length).toBe(data?.length)
  })

  it("says in words why it cannot be read, and keeps what it has", async () => {
    vi.stubGlobal("fetch", () => Promise.resolve(new Response('{"detail":"History is switched off here."}', { status: 503 })))
    const past = new PastBoard()
    await past.load(0)
    expect([past.failure, past.document, past.reading]).toEqual(["History is switched off here.", null, null])
  })
})
