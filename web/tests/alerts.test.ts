import { describe, expect, it, vi } from "vitest"

vi.stubGlobal("window", { location: { hash: "" }, addEventListener: () => undefined })
vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined })
const { applied, headOf, OpenAlerts } = await import("../src/feed/alerts.svelte")
const { comparisonsOf, conditionText, isCondition } = await import("../src/desktop/alerts/condition")
const { closeAt, followedOf, frameFor } = await import("../src/desktop/alerts/followed")
const { alertPath, alertQueryOf, toggledLevel } = await import("../src/desktop/alerts/query")
const { asNumber, countOf, draftOf, idOf, newDraft, overNumber, secondsText, tableOf } = await import("../src/desktop/alerts/rule_draft")
const { detailNumber, frozenLine, frozenParts, seenOf, titleOf } = await import("../src/desktop/alerts/told")
const { whyNot } = await import("../src/ui/permission.svelte")
type Told = import("../src/desktop/alerts/told").ListedAlert
type Numbers = import("../src/wire/types").NumberEntry
type Wire = import("../src/wire/types").Alert
type Board = import("../src/feed/board.svelte").Board

const MINUTE = 60_000
const entry = (name: string, unit: string, words: string[] = []): Numbers => ({ name, unit, what: "", scope: "symbol", recorded: true, words })
const NUMBERS = new Map([entry("score", "0..100"), entry("price", "USDT"), entry("direction", "word", ["Bullish", "Bearish"])].map((each) => [each.name, each]))
const WHEN = { all: [{ number: "score", is: "at_least", limit: 70, clear: 65 }, { any: [{ number: "direction", is: "is", limit: "Bullish" }, { number: "price", is: "changes" }] }] }
const record = (details: Record<string, unknown>): Told => ({ id: "a", level: "info", symbol: null, rule: "r", kind: "k", message: "", details, timestamp: "", at: 0, state: "active", changed_at: null, source: "bybit", delivery: [], signal: null })

describe("the list of alerts", () => {
  it("asks the server for what its address says", () => {
    const asked = alertQueryOf(new Map([["level", "warning,critical,nonsense"], ["symbol", " btcusdt "], ["state", "open"], ["rule", "a&b"], ["before", "x"]]))
    expect(alertPath(asked)).toBe("/api/alerts?level=critical%2Cwarning&symbol=BTCUSDT&rule=a%26b&state=active%2Cacknowledged&before=x&limit=50")
    expect(alertPath(alertQueryOf(new Map([["state", "nonsense"]])))).toBe("/api/alerts?limit=50")
    expect([toggledLevel(["info"], "critical"), toggledLevel(["critical", "info"], "info")]).toEqual(["critical,info", "critical"])
  })

  it("holds each value against the limits it was held against then", () => {
    const alert = record({ title: "T", when: WHEN, numbers: { score: { value: 84.74, unit: "0..100" }, direction: { value: "Bullish", unit: "word" }, price: { value: null, unit: "USDT" } } })
    expect(seenOf(alert)).toEqual([
      { name: "score", value: "84.7", unit: "", limits: ["≥ 70"] },
      { name: "direction", value: "Bullish", unit: "", limits: ["is Bullish"] },
      { name: "price", value: "—", unit: "USDT", limits: ["changes"] },
    ])
    expect(titleOf(alert)).toBe("T")
  })

  it("takes nothing of the details on trust", () => {
    const odd = record({ title: 7, when: { all: "x" }, numbers: { score: 3 }, components: { technical: 1, volume: { score: "x" } }, chart: { price: [[1, 2], [2, null], "x"] }, price: Number.NaN })
    expect([titleOf(odd), seenOf(odd), detailNumber(odd, "price"), frozenLine(odd, "price"), frozenLine(odd, "score")]).toEqual(["r", [], null, [2, null, null], []])
    expect([...frozenParts(odd)]).toEqual([["volume", { score: null, points: null, reason: null }]])
    expect(seenOf({ id: "a", level: "info", symbol: null, rule: "r", message: "", timestamp: "", state: "active", source: "bybit", signal: null })).toEqual([])
  })
})

describe("what followed", () => {
  const candles = [0, 1, 2, 3, 4, 5, 7].map((minute) => [minute * MINUTE, 1, 1, 1, 100 + minute, 1] as const)

  it("is the close that was known then, and no other", () => {
    expect([closeAt(candles, MINUTE, 5 * MINUTE), closeAt(candles, MINUTE, 5.5 * MINUTE), closeAt(candles, MINUTE, 7 * MINUTE), closeAt([], MINUTE, 0)]).toEqual([104, 104, null, null])
  })

  it("says why where there is none", () => {
    const past = { at: 0, price: 100, now: 30 * MINUTE, frame: { name: "1m", ms: MINUTE }, candles, why: null }
    expect(followedOf(past).map(({ price, why }) => [price, why])).toEqual([[104, null], [null, "not over yet"], [null, "not over yet"]])
    expect(followedOf(past)[0]?.percent).toBeCloseTo(4)
    expect(followedOf({ ...past, price: null })[0]?.why).toBe("no price was known when it fired")
    expect(followedOf({ ...past, at: MINUTE / 2, now: 7.6 * MINUTE, candles: [] })[0]?.why).toBe("no candle is kept of then")
    expect(followedOf({ ...past, frame: { name: "30m", ms: 30 * MINUTE } })[0]?.why).toBe("only 30m candles reach so far back")
    expect(followedOf({ ...past, why: "other source" })[0]?.why).toBe("other source")
  })

  it("takes the finest candles that reach back", () => {
    expect([frameFor(0, 60 * MINUTE)?.name, frameFor(0, 2_000 * MINUTE)?.name, frameFor(0, 1e13)]).toEqual(["1m", "5m", null])
  })
})

describe("a rule in a form", () => {
  it("comes back as it was, and keeps what is not valid as it was typed", () => {
    const rule = { id: "a", title: "A", kind: "k", level: "info", when: WHEN, symbols: ["BTCUSDT"], for_seconds: 30, cooldown_seconds: 900, channels: [], enabled: true, quiet: "22:00-07:00", group: { top: 10, at_least: 3 } }
    expect(tableOf(draftOf(rule), NUMBERS)).toEqual(rule)
    const draft = draftOf({ ...rule, for_seconds: "x", symbols: ["btcusdt"] })
    expect(tableOf(draft, NUMBERS)).toMatchObject({ for_seconds: "x", symbols: ["BTCUSDT"] })
    expect(countOf(draft.when)).toBe(3)
  })

  it("stands in a group, and anything else is a new rule", () => {
    expect(tableOf(draftOf({ when: { number: "price", is: "changes", limit: 1 } }), NUMBERS)["when"]).toEqual({ all: [{ number: "price", is: "changes" }] })
    expect(draftOf("nonsense")).toEqual({ ...newDraft(), forSeconds: "0" })
  })

  it("gives a number of another kind an operator that suits it", () => {
    const part = { kind: "comparison", number: "score", is: "above", limit: "70", clear: "65" } as const
    const mine = { ...part }
    overNumber(mine, entry("direction", "word", ["Bullish"]))
    expect(mine).toMatchObject({ number: "direction", is: "is", limit: "Bullish", clear: "" })
    overNumber(mine, entry("price", "USDT"))
    expect(mine).toMatchObject({ number: "price", is: "at_least", limit: "" })
  })

  it("is said in words", () => {
    expect(conditionText(WHEN as never, NUMBERS)).toBe("score ≥ 70 (until < 65) and (direction is Bullish or price changes)")
    const trade = (...limits: string[]): unknown => ({ any: limits.map((limit) => ({ number: "large_trade", is: "is", limit })) })
    expect(conditionText(trade("buy", "sell", "both") as never, NUMBERS)).toBe("large trade is buy, sell or both")
    expect(conditionText({ any: [...(trade("buy") as { any: [] }).any, { number: "direction", is: "is", limit: "Bullish" }] } as never, NUMBERS)).toBe("large trade is buy or direction is Bullish")
    expect([isCondition(WHEN), isCondition({ all: [{}] }), isCondition(null), comparisonsOf(WHEN as never).length]).toEqual([true, false, false, 3])
    expect([idOf("  Straße & Über: 3! "), asNumber("1e3"), asNumber("1,5"), asNumber(""), secondsText("5400"), secondsText("x")]).toEqual(["stra-e-u-ber-3", 1000, "1,5", "", "1.5 h", ""])
  })
})

describe("open alerts", () => {
  const alert = (id: string, state: Wire["state"], level: Wire["level"] = "critical", at = 1_000): Wire => ({ id, level, symbol: null, rule: "r", message: "SIMULATED: Boom: BTC - score 1", timestamp: new Date(at).toISOString(), state, source: "simulator", signal: null })

  it("follow what the socket tells", () => {
    const open = applied(new Map(), [alert("a", "active"), alert("b", "active"), alert("a", "resolved")])
    expect([...open.keys()]).toEqual(["b"])
  })

  it("announce a critical one once, and no old one", () => {
    const alerts = new OpenAlerts()
    const board = { now: 2_000, said: "" }
    alerts.take(alert("a", "active"), board)
    expect(board.said).toBe("Critical alert: simulated, Boom: BTC")
    board.said = ""
    alerts.take(alert("a", "acknowledged"), board)
    alerts.take(alert("b", "active", "warning"), board)
    alerts.take(alert("c", "active", "critical", -200_000), board)
    expect([board.said, alerts.active.map(({ id }) => id), alerts.critical, alerts.changes]).toEqual(["", ["c", "b"], 1, 4])
    expect(headOf("Market report - x")).toBe("Market report")
  })

  it("announce what a new connection tells of the last minute", () => {
    vi.stubGlobal("fetch", () => new Promise(() => undefined))
    const alerts = new OpenAlerts()
    const board = { now: 0, said: "", listen: () => undefined }
    const stop = alerts.start(board as unknown as Board)
    const held = { type: "alerts", epoch: "e", number: 2, since: 0 } as const
    alerts.receive({ ...held, alerts: [alert("a", "active")] })
    expect(board.said).toBe("")
    board.now = 2_000
    alerts.receive({ ...held, alerts: [alert("old", "active", "critical", -200_000), alert("a", "active")] })
    expect(board.said).toBe("Critical alert: simulated, Boom: BTC")
    board.said = ""
    alerts.receive({ ...held, number: 3, alerts: [alert("a", "active")] })
    expect(board.said).toBe("")
    stop()
  })
})

describe("lists that are read at once", () => {
  it("lose nothing that was told meanwhile", async () => {
    const raised: Wire = { id: "a", level: "info", symbol: null, rule: "r", message: "", timestamp: new Date(0).toISOString(), state: "active", source: "bybit", signal: null }
    vi.stubGlobal("fetch", () => Promise.resolve(new Response('{"alerts":[]}')))
    const alerts = new OpenAlerts()
    const stop = alerts.start({ now: 0, said: "", listen: () => undefined } as never)
    alerts.receive({ type: "alerts", epoch: "e", number: 1, since: 0, alerts: [] })
    alerts.receive({ type: "alert", epoch: "e", number: 2, alert: raised })
    await vi.waitFor(() => expect(alerts.known).toBe(true))
    await new Promise((done) => { setTimeout(done, 20) })
    stop()
    expect([alerts.failed, [...alerts.open.keys()], alerts.number]).toEqual([false, ["a"], 2])
  })
})

describe("what one may change", () => {
  it("is said in a sentence", () => {
    const session = { read: true, write: false, signed_in: false, can_sign_in: true, writes: true, until: null }
    expect(whyNot({ ...session, write: true }, true)).toBeNull()
    expect(whyNot({ ...session, writes: false }, true)).toContain("no write token")
    expect(whyNot({ ...session, signed_in: true }, true)).toContain("may only read")
    expect(whyNot(session, true)).toContain("sign in")
    expect(whyNot(null, true)).toContain("does not say")
  })
})
