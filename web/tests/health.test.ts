import { describe, expect, it } from "vitest"

import { columnsOf, countsOf, rowsOf as ageRows, valueOf } from "../src/desktop/health/ages"
import { type Facts, diagnosticsText, harmless } from "../src/desktop/health/diagnostics"
import { chartsOf, figure, historyPath, minutesOf } from "../src/desktop/health/history"
import { ageMs, cycleMs, named, rowsOf } from "../src/desktop/health/parts"
import { ordered } from "../src/ui/sorting"
import type { CycleTotals, FiguresDocument, HealthDocument, InputsDocument } from "../src/wire/types"

const totals = (wall_buckets: readonly number[], count: number): CycleTotals => ({ wall_buckets, count }) as unknown as CycleTotals

const INPUTS = {
  now: 100_000, kinds: ["book", "funding"],
  symbols: [
    { symbol: "A", venue: "", as_of: [99_000, 1_000], states: ["live", "live"], reasons: [null, null] },
    { symbol: "B", venue: "", as_of: [90_000, 1_000], states: ["stale", "live"], reasons: [null, null] },
    { symbol: "C", venue: "", as_of: [95_000, null], states: ["delayed", "absent"], reasons: [null, "no_feed"] },
    { symbol: "D", venue: "", as_of: [99_500, null], states: ["live", "absent"], reasons: [null, "not_applicable"] },
  ],
} as unknown as InputsDocument

describe("parts", () => {
  it("are named by what they are, and an unknown one by itself", () => {
    expect(named("rest_bybit")).toEqual(["Feeds", "Requests to bybit"])
    expect(named("web_memcached")).toEqual(["Web", "Web: memcached"])
    expect(named("flux_capacitor")).toEqual(["Other", "flux capacitor"])
  })

  it("give the class that holds a quantile, and nothing above all classes", () => {
    const bounds = [1, 10, 100]
    expect(cycleMs([totals([5, 9, 10], 10)], bounds, 0.5)).toBe(1)
    expect(cycleMs([totals([5, 9, 10], 10)], bounds, 0.95)).toBe(100)
    expect(cycleMs([totals([0, 0, 1], 10)], bounds, 0.5)).toBeNull()
    expect(cycleMs([], bounds, 0.5)).toBeNull()
  })

  it("stand group by group, and what nobody measures is null, never nought", () => {
    const health = { parts: [{ name: "alerts", status: "pass" }, { name: "feed", status: "warn" }, { name: "engine", status: "fail" }] } as unknown as HealthDocument
    const rows = rowsOf(health, null, null, null)
    expect(rows.map((row) => row.name)).toEqual(["engine", "feed", "alerts"])
    expect(rows.every((row) => row.p50 === null && row.errors === null)).toBe(true)
    const figures = { engine: { counters: { disconnects: 3 }, cycles: [] }, cycle_bounds_ms: [], sockets: { sent: 0, clients: 2 } } as unknown as FiguresDocument
    const counted = rowsOf(health, figures, null, INPUTS)
    expect(counted.find((row) => row.name === "feed")?.errors).toBe(3)
    expect(counted.find((row) => row.name === "sockets")).toMatchObject({ status: null, p50: null })
  })

  it("know how old half of the books are", () => {
    expect(ageMs(INPUTS, "book", 0.5)).toBe(5_000)
    expect(ageMs(INPUTS, "nothing", 0.5)).toBeNull()
  })
})

describe("ages", () => {
  it("put the worst first; what does not apply is no fault", () => {
    const rows = ageRows(INPUTS)
    const sorted = ordered(rows, { key: "worst", descending: true }, valueOf(INPUTS))
    expect(sorted.map((row) => [row.symbol, row.worst])).toEqual([["C", "absent"], ["B", "stale"], ["A", "live"], ["D", "live"]])
    expect(countsOf(INPUTS)).toEqual({ live: 4, delayed: 1, stale: 1, absent: 1 })
    expect(columnsOf(INPUTS.kinds).map((column) => column.key)).toEqual(["symbol", "worst", "book", "funding"])
    expect(ordered(rows, { key: "funding", descending: true }, valueOf(INPUTS)).map((row) => row.symbol).join("")).toBe("ABCD")
  })
})

describe("diagnostics", () => {
  it("give away no folder, no password and no key", () => {
    expect(harmless("12 rows written to /home/ada/state/history.sqlite")).toBe("12 rows written to …/history.sqlite")
    expect(harmless("redis://user:pa55@host:6379/0 does not answer")).toBe("redis://…@host:6379/0 does not answer")
    expect(harmless("token=abc123 refused")).toBe("token=… refused")
    expect(harmless(`Bearer ${"x".repeat(48)}`)).toBe("Bearer …")
    expect(harmless("54 of 360 in 5 s used")).toBe("54 of 360 in 5 s used")
  })

  it("say SIMULATED, and which inputs are late", () => {
    const facts: Facts = {
      version: "1", source: "Simulator", simulated: true, timestamp: "t", feed: "live", browser: "b", rows: [], counters: { disconnects: 2 },
      sockets: {}, inputs: countsOf(INPUTS), kinds: INPUTS.kinds, late: ageRows(INPUTS).filter((row) => row.worst !== "live"),
    }
    const text = diagnosticsText(facts)
    expect(text).toContain("SIMULATED")
    expect(text).toContain("disconnects 2")
    expect(text).toContain("B: stale, book")
    expect(diagnosticsText({ ...facts, simulated: false })).not.toContain("SIMULATED")
  })
})

describe("the monitor's history", () => {
  const series = (measure: string, labels: object, unit: string, values: readonly (number | null)[]): object => ({ measure, labels, unit, text: "What it is.", values })

  it("is a chart a measure, its highest lines first, holes where nobody looked", () => {
    const answer = {
      start: 1_000, step_ms: 500,
      series: [
        series("cache_hit_ratio", { process: "web" }, "ratio", [0.5, null]),
        series("loop_lag_seconds", { process: "engine" }, "seconds", [0.1, 0.2]),
        ...["a", "b", "c"].map((process, index) => series("loop_lag_seconds", { process }, "seconds", [index, null])),
        series("alerts_active", {}, "alerts", [null, null]), { measure: 7 }, null,
      ],
    }
    const charts = chartsOf(answer)
    expect(charts.map((chart) => [chart.measure, chart.unit, chart.more])).toEqual([["loop_lag_seconds", "seconds", 1], ["cache_hit_ratio", "%", 0]])
    expect(charts[0]?.lines.map((line) => line.name)).toEqual(["c", "b", "engine"])
    expect(charts[1]).toMatchObject({ times: [1_000, 1_500], lines: [{ name: "web", values: [50, null] }] })
  })

  it("is nothing where the answer is of another form", () => {
    for (const answer of [null, 7, {}, { series: "no" }, { series: [], start: "x", step_ms: 1 }]) expect(chartsOf(answer)).toEqual([])
    expect([minutesOf(null), minutesOf({ now: 9e6, recorded_since: 0 }), minutesOf({ now: 9e5, recorded_since: 0 })]).toEqual([1_440, 1_440, 60])
    const late = chartsOf({ start: 0, step_ms: 10, series: [series("alerts_active", {}, "alerts", [null, null, 4, null])] })
    expect(late[0]).toMatchObject({ times: [20, 30], lines: [{ values: [4, null] }] })
    expect(historyPath(60)).toContain("minutes=60&series=score_cycle_seconds,")
    expect([figure(0), figure(0.01234), figure(12_345)]).toEqual(["0", "0.012", "12.3\u202fk"])
  })
})
