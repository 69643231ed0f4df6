import { describe, expect, it, vi } from "vitest"

vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined })
const { boundsText, changesOf, draftIn, equal, keysIn, kindOf, readField, shownText, stepsTo, sumOf, typed } = await import("../src/desktop/config/form")
type Entry = import("../src/wire/types").ConfigEntry

const entry = (key: string, value: unknown, schema: Record<string, unknown>, more: Partial<Entry> = {}): Entry => ({
  key, value, default: value, source: "default", description: "", unit: null, editable: true, needs_restart: false, schema, secret: false, is_set: true, waiting: false, ...more,
})
const FLOOR = entry("scoring.coverage_floor", 0.5, { type: "number", minimum: 0, maximum: 1 })
const ENTER = entry("scoring.direction.enter", 20, { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 50 })
const SIZE = entry("universe.size", 30, { type: "integer", minimum: 1, maximum: 500 })
const PROFILE = entry("scoring.profile", "equal", { enum: ["custom", "equal"] })
const PINNED = entry("universe.pinned", [], { type: "array", items: { type: "string" } })
const SYMBOLS = entry("scoring.symbols", {}, { type: "object" })
const PORT = entry("app.port", 8003, { type: "integer" }, { editable: false })
const WEIGHTS = ["a", "b", "c"].map((name) => entry(`scoring.weights.${name}`, 1, { type: "number", minimum: 0, maximum: 1000 }))
const ALL = [FLOOR, ENTER, SIZE, PROFILE, PINNED, SYMBOLS, PORT, ...WEIGHTS]

describe("a field of the schema", () => {
  it("has the kind and the bounds that the schema gives it", () => {
    expect([FLOOR, SIZE, PROFILE, PINNED, SYMBOLS].map(kindOf)).toEqual(["number", "whole", "choice", "list", "json"])
    expect([FLOOR, ENTER, PROFILE].map(boundsText)).toEqual(["0 to 1", "more than 0, less than 50", ""])
  })

  it("reads what is typed, or says why it is none", () => {
    expect(readField(" 0.6 ", FLOOR)).toEqual({ value: 0.6 })
    for (const text of ["1.5", "-0.1", "", "x", "0,5"]) expect(readField(text, FLOOR).wrong).toContain("Expected")
    for (const text of ["0", "50"]) expect(readField(text, ENTER).wrong).toBe("Expected more than 0, less than 50.")
    expect(readField("30.5", SIZE).wrong).toBe("Expected a whole number.")
    expect(readField("BTCUSDT, ETHUSDT", PINNED)).toEqual({ value: ["BTCUSDT", "ETHUSDT"] })
    expect([readField("{", SYMBOLS).wrong, readField("owner", PROFILE).wrong]).toEqual(["Expected JSON.", "Expected one of custom, equal."])
  })
})

describe("a draft", () => {
  it("holds only what differs, and goes back without a trace", () => {
    const draft = typed(typed({}, FLOOR, "0.6"), SIZE, "x")
    expect([shownText(FLOOR, draft), shownText(SIZE, draft), shownText(ENTER, draft)]).toEqual(["0.6", "x", "20"])
    expect(changesOf(draft, ALL)).toEqual({ changes: { "scoring.coverage_floor": 0.6 }, wrong: { "universe.size": "Expected a number, with a point and no commas." } })
    expect(typed(typed(draft, FLOOR, "0.50"), SIZE, "30")).toEqual({})
  })

  it("takes from an address nothing but texts of keys that may be changed", () => {
    const address = JSON.stringify({ "universe.size": "40", "app.port": "1", "scoring.profile": 3, "scoring.coverage_floor": null, nonsense: "x" })
    expect(draftIn(address, ALL)).toEqual({ "universe.size": "40", "scoring.coverage_floor": null })
    expect([draftIn("{", ALL), draftIn("[1]", ALL), draftIn(undefined, ALL)]).toEqual([{}, {}, {}])
    expect(changesOf({ "scoring.coverage_floor": null, "app.port": "1" }, ALL).changes).toEqual({ "scoring.coverage_floor": null })
  })

  it("sums what counts in proportion", () => {
    const found = sumOf(WEIGHTS, { "scoring.weights.a": "2" })
    expect([found?.sum, found?.share.get("scoring.weights.a"), found?.share.get("scoring.weights.b")]).toEqual([4, 0.5, 0.25])
    expect([sumOf(WEIGHTS, { "scoring.weights.a": "x" }), sumOf(WEIGHTS, Object.fromEntries(WEIGHTS.map(({ key }) => [key, "0"])))?.share.get("scoring.weights.a")]).toEqual([null, 0])
  })

  it("finds the fields that a refusal names", () => {
    expect(keysIn("Expected scoring.direction.enter above leave.", ALL)).toEqual(["scoring.direction.enter"])
    expect(keysIn("Expected weights of which one is above 0 in scoring.weights.", ALL)).toEqual(WEIGHTS.map(({ key }) => key))
    expect(keysIn("Something else.", ALL)).toEqual([])
  })
})

describe("a version", () => {
  it("says what restoring it would change, what it does not hold included", () => {
    const held = { ...FLOOR, value: 0.7, source: "version" as const }
    expect(stepsTo({ "universe.size": 40 }, [held, SIZE, PORT])).toEqual([
      { key: "scoring.coverage_floor", now: 0.7, then: "as the file says" }, { key: "universe.size", now: 30, then: 40 },
    ])
    expect(stepsTo({ "scoring.coverage_floor": 0.7 }, [held, SIZE])).toEqual([])
    expect([equal({ a: [1, 2] }, { a: [1, 2] }), equal({ a: 1 }, { a: 1, b: 2 }), equal([], {})]).toEqual([true, false, true])
  })
})
