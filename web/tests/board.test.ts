import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"

import { Board } from "../src/feed/board.svelte"
import { waitBefore } from "../src/feed/socket"
import { ScoreRowColumn as C, type ScoreRow, type ServerMessage, type Snapshot, type Update } from "../src/wire/types"

class FakeSocket {
  static readonly OPEN = 1
  static all: FakeSocket[] = []
  readyState = 0
  sent: { type: string }[] = []
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: (() => void) | null = null

  constructor(readonly url: string) {
    FakeSocket.all.push(this)
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as { type: string })
  }

  close(): void {
    this.readyState = 3
  }

  open(): void {
    this.readyState = FakeSocket.OPEN
    this.onopen?.()
  }

  say(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) })
  }

  lose(): void {
    this.readyState = 3
    this.onclose?.()
  }

  asked(type: string): number {
    return this.sent.filter((message) => message.type === type).length
  }
}

let frames: (() => void)[] = []
let stop: () => void = () => undefined
let board: Board

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance"] })
  vi.stubGlobal("WebSocket", FakeSocket)
  vi.stubGlobal("window", { location: { protocol: "http:", host: "here" }, addEventListener: vi.fn(), removeEventListener: vi.fn() })
  vi.stubGlobal("document", { visibilityState: "visible", addEventListener: vi.fn(), removeEventListener: vi.fn() })
  vi.stubGlobal("requestAnimationFrame", (paint: () => void) => frames.push(paint))
  vi.spyOn(performance, "getEntriesByName").mockReturnValue([])
  FakeSocket.all = []
  frames = []
  board = new Board("desktop", 4)
  stop = board.start()
})

afterEach(() => {
  stop()
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

const NOW = 1_800_000_000_000

function row(index: number, price: number, at = NOW): ScoreRow {
  const data: unknown[] = new Array(Object.keys(C).length).fill(null)
  Object.assign(data, { [C.row]: index, [C.components]: [1, 2, 3, 4, 5, 6], [C.price]: price, [C.price_as_of]: at })
  return data as unknown as ScoreRow
}

function snapshot(seq = 10, epoch = "one"): Snapshot {
  return {
    type: "snapshot", epoch, seq, now: NOW, source: "simulator",
    limits: { heartbeat_ms: 5_000, price_delayed_ms: 3_000, price_stale_ms: 10_000, coverage_floor: 0.5 },
    cells: [], notices: [], replay: null, unknown: [],
    symbols: [
      { row: 0, symbol: "BTCUSDT", venue: "bybit", source: "simulator", definition: "", coverage_floor: null }, { row: 1, symbol: "ETHUSDT", venue: "bybit", source: "simulator", definition: "", coverage_floor: null },
    ],
    rows: [row(0, 100), row(1, 10)],
  }
}

function update(seq: number, previous: number, rows: readonly ScoreRow[], epoch = "one"): Update {
  return { type: "update", epoch, seq, previous, now: NOW, source: "simulator", rows, notices: null }
}

function beat(seq: number, epoch = "one", engineMs = 100): ServerMessage {
  return { type: "heartbeat", epoch, seq, now: NOW + performance.now(), source: "simulator", engine_ms: engineMs }
}

function connected(): FakeSocket {
  const socket = FakeSocket.all.at(-1)
  if (socket === undefined) throw new Error("expected a socket")
  socket.open()
  socket.say(snapshot())
  return socket
}

function paint(): void {
  const due = frames
  frames = []
  for (const frame of due) frame()
}

const priceOf = (symbol: string): number | null | undefined => board.row(symbol)?.data[C.price]

describe("the board", () => {
  it("asks for compact rows and shows the snapshot", () => {
    const socket = connected()
    expect(socket.url).toBe("ws://here/ws")
    expect(socket.sent[0]).toEqual({ type: "subscribe", form: "rows", hz: 4, groups: ["board"] })
    expect([priceOf("BTCUSDT"), board.simulated, board.feed.kind]).toEqual([100, true, "live"])
  })

  it("paints updates once a frame, the newest of each row", () => {
    const socket = connected()
    paint()
    socket.say(update(11, 10, [row(0, 101)]))
    socket.say(update(12, 11, [row(0, 102)]))
    expect([priceOf("BTCUSDT"), frames.length]).toEqual([100, 1])
    paint()
    expect(priceOf("BTCUSDT")).toBe(102)
  })

  it("takes another rhythm without losing its place, and calls what is as old as asked for late, not stale", () => {
    const socket = connected()
    board.pace(0.2)
    expect(socket.sent.at(-1)).toMatchObject({ type: "subscribe", hz: 0.2, resume: { epoch: "one", seq: 10 } })
    expect(board.limits?.price_stale_ms).toBe(15_000)
    socket.say(snapshot(11))
    expect(board.limits?.price_stale_ms).toBe(15_000)
    board.pace(1)
    expect(board.limits?.price_stale_ms).toBe(10_000)
  })

  it("shows the rows that came another way once the socket is open, and lets it go on from them", async () => {
    stop()
    board = new Board("mobile", 1)
    stop = board.start(Promise.resolve(snapshot(20)))
    await Promise.resolve()
    expect([priceOf("BTCUSDT"), board.snapshots]).toEqual([undefined, 0])
    const socket = FakeSocket.all.at(-1)
    socket?.open()
    expect([priceOf("BTCUSDT"), board.feed.kind]).toEqual([100, "live"])
    expect(socket?.sent[0]).toMatchObject({ type: "subscribe", resume: { epoch: "one", seq: 20 } })
  })

  it("connects all the same when nothing comes another way", async () => {
    stop()
    board = new Board("mobile", 1)
    stop = board.start(Promise.resolve(null))
    await Promise.resolve()
    const socket = connected()
    expect(socket.sent[0]).toEqual({ type: "subscribe", form: "rows", hz: 1, groups: ["board"] })
    expect(priceOf("BTCUSDT")).toBe(100)
  })

  it("hears of alerts once somebody listens, and goes on after the last one", () => {
    const socket = connected()
    const heard: unknown[] = []
    board.listen("alerts", { number: 7, receive: (message) => heard.push(message) })
    expect(socket.sent.at(-1)).toMatchObject({ groups: ["board", "alerts"], resume: { seq: 10, alerts: 7 } })
    socket.say({ type: "alerts", epoch: "one", number: 8, since: 0, alerts: [] })
    expect(heard).toHaveLength(1)
    expect(board.received).toBeGreaterThan(100)
  })

  it("drops what is older than what it holds", () => {
    const socket = connected()
    socket.say(update(9, 8, [row(0, 55)]))
    socket.say(snapshot(9))
    paint()
    expect([priceOf("BTCUSDT"), socket.asked("resync")]).toEqual([100, 0])
  })

  it("asks once for a snapshot when an update was missed, and applies nothing before it", () => {
    const socket = connected()
    socket.say(update(12, 11, [row(0, 55)]))
    socket.say(update(13, 12, [row(0, 56)]))
    paint()
    expect([priceOf("BTCUSDT"), socket.asked("resync")]).toEqual([100, 1])
    socket.say({ ...snapshot(13), rows: [row(0, 57), row(1, 10)] })
    socket.say(update(14, 13, [row(0, 58)]))
    paint()
    expect(priceOf("BTCUSDT")).toBe(58)
  })

  it("asks for a snapshot when a heartbeat names a later message or another epoch", () => {
    const socket = connected()
    socket.say(beat(10))
    expect(socket.asked("resync")).toBe(0)
    socket.say(beat(11))
    expect(socket.asked("resync")).toBe(1)
    vi.advanceTimersByTime(2_500)
    socket.say(beat(0, "two"))
    expect(socket.asked("resync")).toBe(2)
  })

  it("replaces everything by the snapshot of a new epoch, even with a lower sequence", () => {
    const socket = connected()
    socket.say(update(11, 10, [row(0, 101)]))
    socket.say({ ...snapshot(1, "two"), symbols: [{ row: 0, symbol: "ETHUSDT", venue: "bybit", source: "bybit", definition: "", coverage_floor: null }], rows: [row(0, 9)], source: "bybit" })
    paint()
    expect([board.rows.map((held) => held.symbol), priceOf("ETHUSDT"), board.simulated]).toEqual([["ETHUSDT"], 9, false])
  })

  it("shows no value for a symbol the snapshot brings no row of", () => {
    const socket = connected()
    socket.say({ ...snapshot(11), rows: [row(0, 100)] })
    expect(priceOf("ETHUSDT")).toBeNull()
  })

  it("goes stale by its own timer when heartbeats stop", () => {
    const socket = connected()
    socket.say(beat(10))
    vi.advanceTimersByTime(3_000)
    expect(board.feed.dead).toBe(false)
    vi.advanceTimersByTime(1_000)
    expect([board.feed.dead, board.feed.kind]).toEqual([true, "stale"])
  })

  it("goes stale when the engine behind a living server is dead", () => {
    const socket = connected()
    socket.say(beat(10, "one", 5_001))
    expect(board.feed.dead).toBe(true)
  })

  it("goes stale after a sleep until a new snapshot is there", () => {
    const socket = connected()
    socket.say(beat(10))
    vi.spyOn(performance, "now").mockReturnValue(performance.now() + 60_000)
    board.tick()
    socket.say(beat(10))
    expect([board.feed.dead, socket.asked("resync")]).toEqual([true, 1])
    socket.say(snapshot(11))
    expect(board.feed.dead).toBe(false)
  })

  it("says that the connection is lost, and connects again", () => {
    connected().lose()
    expect([board.feed.kind, board.feed.dead]).toEqual(["offline", true])
    vi.advanceTimersByTime(600)
    expect(FakeSocket.all.length).toBe(2)
    connected()
    expect(board.feed.kind).toBe("live")
  })

  it("goes on after a short cut where it was, and is live with the next heartbeat", () => {
    connected().lose()
    vi.advanceTimersByTime(600)
    const socket = FakeSocket.all.at(-1)
    if (socket === undefined) throw new Error("expected a socket")
    socket.open()
    expect(socket.sent[0]).toEqual({
      type: "subscribe", form: "rows", hz: 4, groups: ["board"], resume: { epoch: "one", seq: 10, alerts: null },
    })
    socket.say({ type: "resumed", epoch: "one", seq: 10, now: NOW + 600, source: "simulator" })
    socket.say(update(12, 10, [row(1, 33)]))
    paint()
    socket.say(beat(12))
    expect([priceOf("BTCUSDT"), priceOf("ETHUSDT"), board.feed.kind]).toEqual([100, 33, "live"])
    expect(socket.asked("resync")).toBe(0)
  })

  it("takes notices that come without a new sequence", () => {
    const socket = connected()
    socket.say({ ...update(10, 10, []), notices: [{ code: "reading_cache", text: "...", since: null }] })
    expect(board.notices.map((notice) => notice.code)).toEqual(["reading_cache"])
    expect(socket.asked("resync")).toBe(0)
  })

  it("asks for a snapshot when another place is resumed than it holds", () => {
    const socket = connected()
    socket.say({ type: "resumed", epoch: "one", seq: 9, now: NOW, source: "simulator" })
    expect(socket.asked("resync")).toBe(1)
  })

  it("gives up a socket that says nothing for ten seconds", () => {
    connected()
    vi.advanceTimersByTime(12_000)
    expect(FakeSocket.all.length).toBe(2)
  })

  it("reports its load time once", () => {
    const socket = connected()
    paint()
    socket.say(snapshot(11))
    paint()
    expect(socket.asked("timing")).toBe(1)
  })
})

describe("the wait before connecting again", () => {
  it("grows from half a second to thirty, jittered", () => {
    expect([waitBefore(0, 0), waitBefore(0, 1), waitBefore(3, 0), waitBefore(3, 1), waitBefore(50, 0), waitBefore(50, 1)]).toEqual([
      500, 500, 2_000, 4_000, 15_000, 30_000,
    ])
  })
})
