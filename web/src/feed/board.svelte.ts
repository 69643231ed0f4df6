// What the page holds of the board: rows, ages and the state of the feed behind them.

import type {
  Limits, Notice, ReplayInfo, Resumed, RowSymbol, ScoreRow, ServerMessage, Snapshot, Source, Subscribe, Update,
} from "../wire/types"
import { ScoreRowColumn as C } from "../wire/types"
import { EngineClock, LATE_MS, TICK_MS } from "./clock"
import { CONNECTING, type Feed, feedOf } from "./freshness"
import { type Held, judgeHeartbeat, judgeResumed, judgeSnapshot, judgeUpdate } from "./sequence"
import { Connection, socketUrl } from "./socket"

const SIX_NULLS = [null, null, null, null, null, null] as const

function noData(row: number): ScoreRow {
  return [
    row, null, "no_feed", null, null, SIX_NULLS, null, null, null, null, null, null, null, null, null, null,
    null, 0, "absent", "absent", "no_feed", null,
  ]
}

/** One symbol. `data` is replaced whole: one signal a row, not one a field. */
export class Row {
  readonly symbol: string
  venue: string
  source: Source
  /** Under this coverage its score is null; null: that of the limits. */
  coverageFloor: number | null
  data: ScoreRow = $state.raw(noData(0))

  constructor(named: RowSymbol) {
    this.symbol = named.symbol
    this.venue = named.venue
    this.source = named.source
    this.coverageFloor = named.coverage_floor
  }
}

/** Who is told what the board does not show; `number` is that of the last alert message it took. */
export interface Reader {
  readonly number?: number | null
  receive(message: ServerMessage): void
}

/** At most this often a new snapshot is asked for while none has come, milliseconds. */
const ASK_AGAIN_MS = 2_000

/** Seconds between two pings. */
const PING_TICKS = 5

/** What a table of rows needs: the board of now, or one of the past. */
export interface BoardView {
  readonly past: boolean
  readonly rows: readonly Row[]
  readonly limits: Limits | null
  readonly feed: Feed
  readonly now: number
  readonly ticks: number
  readonly snapshots: number
}

export class Board implements BoardView {
  readonly past = false
  rows: readonly Row[] = $state.raw([])
  notices: readonly Notice[] = $state.raw([])
  limits: Limits | null = $state.raw(null)
  replay: ReplayInfo | null = $state.raw(null)
  source: Source | null = $state.raw(null)
  simulated = $state.raw(false)
  feed: Feed = $state.raw(CONNECTING)
  /** Engine's clock at the last tick, milliseconds UTC. */
  now = $state.raw(0)
  /** Counts the page's own seconds. */
  ticks = $state.raw(0)
  /** Counts snapshots: rows may have come and gone. */
  snapshots = $state.raw(0)
  /** Messages of the socket in the last second. */
  messagesASecond = $state.raw(0)
  /** How long a ping over the socket took, there and back, milliseconds; null while unknown. */
  delay: number | null = $state.raw(null)
  /** What a screen reader is told beside the connection: the page's one live region says it. */
  said = $state.raw("")

  readonly clock = new EngineClock()
  readonly #page: "desktop" | "mobile"
  readonly #connection: Connection
  #hz: number
  readonly #readers = new Map<"alerts" | "signals", Reader>()
  #first: { readonly message: Snapshot; readonly at: number } | null = null
  readonly #pending = new Map<number, ScoreRow>()
  #byNumber = new Map<number, Row>()
  #held: Held | null = null
  #connected = false
  #slept = false
  #newest: number | null = null
  #askedAt: number | null = null
  #frame = 0
  #tickedAt = performance.now()
  #reported = false
  #messages = 0
  #pinged: { readonly id: number; readonly at: number } | null = null

  constructor(page: "desktop" | "mobile", hz: number) {
    this.#page = page
    this.#hz = hz
    this.#connection = new Connection(
      socketUrl(window.location),
      () => this.#hello(),
      { connected: (yes) => this.#onConnected(yes), message: (message) => this.receive(message) },
    )
  }

  /** Connect, and tick each second until the returned function is called. With `first` a snapshot is
   *  waited for that comes another way: it is shown once the socket is open, which goes on from it. */
  start(first?: Promise<Snapshot | null>): () => void {
    const timer = setInterval(() => this.tick(), TICK_MS)
    const onVisible = (): void => {
      if (document.visibilityState === "visible") this.#wake()
    }
    const onOnline = (): void => this.#connection.hurry()
    document.addEventListener("visibilitychange", onVisible)
    window.addEventListener("online", onOnline)
    if (first === undefined) this.#connection.open()
    else {
      void first.then((message) => {
        if (message !== null) this.#first = { message, at: performance.now() }
        this.#connection.open()
      })
    }
    return () => {
      clearInterval(timer)
      document.removeEventListener("visibilitychange", onVisible)
      window.removeEventListener("online", onOnline)
      this.#connection.close()
    }
  }

  #hello(): Subscribe {
    return {
      type: "subscribe",
      form: "rows",
      hz: this.#hz,
      groups: ["board", ...this.#readers.keys()],
      ...(this.#held !== null && !this.#slept && { resume: { ...this.#held, alerts: this.#readers.get("alerts")?.number ?? null } }),
    }
  }

  /** Take updates `hz` times a second at most. What comes more seldom than each second is `delayed`,
   *  not `stale`, until as much longer has passed: its age is what was asked for. */
  pace(hz: number): void {
    const before = this.#slack
    this.#hz = hz
    if (this.limits !== null) {
      this.limits = { ...this.limits, price_stale_ms: this.limits.price_stale_ms - before + this.#slack }
    }
    this.#connection.send(this.#hello())
  }

  get #slack(): number {
    return this.#hz >= 1 ? 0 : Math.round(1_000 / this.#hz)
  }

  /** Hear of a group too, from now on; without a reader no more. */
  listen(group: "alerts" | "signals", reader?: Reader): void {
    if (reader) this.#readers.set(group, reader)
    else this.#readers.delete(group)
    this.#connection.send(this.#hello())
  }

  /** Do not wait for the next try to connect. */
  retry(): void {
    this.#connection.hurry()
  }

  /** Characters the socket has brought so far. */
  get received(): number {
    return this.#connection.received
  }

  row(symbol: string): Row | undefined {
    return this.rows.find((row) => row.symbol === symbol)
  }

  receive(message: ServerMessage): void {
    this.#messages += 1
    switch (message.type) {
      case "snapshot":
        if (judgeSnapshot(this.#held, message) === "apply") this.#replace(message)
        break
      case "update":
        this.#update(message)
        break
      case "heartbeat": {
        const at = performance.now()
        if (judgeHeartbeat(this.#held, message) === "resync") this.#ask(at)
        else if (this.#held !== null) {
          this.clock.beat(message.now, message.engine_ms, at)
          this.#refresh(at)
        }
        break
      }
      case "resumed":
        this.#resume(message)
        break
      case "pong":
        if (this.#pinged?.id === message.id) this.delay = performance.now() - this.#pinged.at
        break
      default:
        this.#readers.forEach((reader) => { reader.receive(message) })
    }
  }

  tick(): void {
    const at = performance.now()
    const late = at - this.#tickedAt > TICK_MS + LATE_MS
    if (late) this.#slept = this.#held !== null
    this.#tickedAt = at
    if (this.#slept && document.visibilityState === "visible") this.#ask(at)
    this.#connection.watch(late)
    this.messagesASecond = this.#messages
    this.#messages = 0
    if (this.ticks % PING_TICKS === 1) {
      this.#pinged = { id: this.ticks, at }
      this.#connection.send({ type: "ping", id: this.ticks })
    }
    this.ticks += 1
    this.#refresh(at)
  }

  #wake(): void {
    this.#slept = this.#held !== null
    this.#connection.hurry()
    const at = performance.now()
    this.#ask(at)
    this.#refresh(at)
  }

  #onConnected(yes: boolean): void {
    this.#connected = yes
    this.#askedAt = null
    this.delay = null
    const first = this.#first
    this.#first = null
    if (yes && first !== null && this.#held === null) {
      this.#replace(first.message, first.at)
      return
    }
    this.#refresh(performance.now())
  }

  #ask(at: number): void {
    if (!this.#connected || (this.#askedAt !== null && at - this.#askedAt < ASK_AGAIN_MS)) return
    this.#askedAt = at
    this.#connection.send({ type: "resync" })
  }

  #replace(message: Snapshot, at = performance.now()): void {
    const known = new Map(this.rows.map((row) => [row.symbol, row]))
    const byNumber = new Map<number, Row>()
    for (const named of message.symbols) {
      const row = known.get(named.symbol) ?? new Row(named)
      row.venue = named.venue
      row.source = named.source
      row.coverageFloor = named.coverage_floor
      byNumber.set(named.row, row)
    }
    this.#newest = null
    const given = new Set<number>()
    for (const data of message.rows) {
      given.add(data[C.row])
      this.#note(data)
      const row = byNumber.get(data[C.row])
      if (row !== undefined) row.data = data
    }
    for (const [index, row] of byNumber) if (!given.has(index)) row.data = noData(index)
    this.#pending.clear()
    this.#byNumber = byNumber
    this.#held = { epoch: message.epoch, seq: message.seq }
    this.#slept = false
    this.#askedAt = null
    this.clock.anchor(message.now, at, message.limits.heartbeat_ms)
    this.rows = [...byNumber.values()]
    this.limits = { ...message.limits, price_stale_ms: message.limits.price_stale_ms + this.#slack }
    this.notices = message.notices
    this.replay = message.replay
    this.source = message.source
    this.simulated = message.source === "simulator" || message.symbols.some((named) => named.source === "simulator")
    this.snapshots += 1
    this.#connection.settled()
    this.#refresh(performance.now())
    this.#report()
  }

  /** What is held still holds; what was missed follows. */
  #resume(message: Resumed): void {
    const at = performance.now()
    if (judgeResumed(this.#held, message) === "resync") return this.#ask(at)
    this.#askedAt = null
    if (this.limits !== null) this.clock.anchor(message.now, at, this.limits.heartbeat_ms)
    this.#connection.settled()
    this.#refresh(at)
  }

  #update(message: Update): void {
    const verdict = judgeUpdate(this.#held, message)
    if (verdict === "resync") this.#ask(performance.now())
    if (verdict !== "apply" || this.#held === null) return
    this.#held = { ...this.#held, seq: message.seq }
    if (message.notices !== null) this.notices = message.notices
    if (message.source !== this.source) {
      this.source = message.source
      this.simulated ||= message.source === "simulator"
    }
    for (const data of message.rows) {
      this.#pending.set(data[C.row], data)
      this.#note(data)
    }
    this.#frame ||= requestAnimationFrame(() => this.#paint())
  }

  #paint(): void {
    this.#frame = 0
    for (const [index, data] of this.#pending) {
      const row = this.#byNumber.get(index)
      if (row !== undefined) row.data = data
    }
    this.#pending.clear()
  }

  #note(data: ScoreRow): void {
    const at = data[C.price_as_of]
    if (at !== null && (this.#newest === null || at > this.#newest)) this.#newest = at
  }

  #refresh(at: number): void {
    this.now = this.clock.now(at)
    this.feed = feedOf({
      connected: this.#connected,
      held: this.#held !== null,
      silent: this.clock.silent(at),
      slept: this.#slept,
      silence: this.clock.silence(at),
      now: this.now,
      newest: this.#newest,
      limits: this.limits,
    })
  }

  /** Says once over the socket how long this page took to its first live row. */
  #report(): void {
    if (this.#reported || this.rows.length === 0) return
    this.#reported = true
    requestAnimationFrame(() => {
      const painted = performance.getEntriesByName("first-contentful-paint")[0]
      this.#connection.send({
        type: "timing",
        page: this.#page,
        first_paint_ms: painted?.startTime ?? performance.now(),
        first_row_ms: performance.now(),
      })
    })
  }
}
