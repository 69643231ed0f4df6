// The connection to /ws: opens it, opens it again, and hands on what it says.

import type { ClientMessage, ServerMessage } from "../wire/types"

export const FIRST_WAIT_MS = 500
export const LAST_WAIT_MS = 30_000

/** An open socket that says nothing for this long is taken for dead; heartbeats come each second. */
export const MUTE_MS = 10_000

/** How long to wait before attempt `attempt` (0 is the first retry), jittered by `random` 0..1. */
export function waitBefore(attempt: number, random: number): number {
  const full = Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 10))
  return Math.max(FIRST_WAIT_MS, full * (0.5 + random / 2))
}

export interface Listener {
  connected(yes: boolean): void
  message(message: ServerMessage): void
}

/** Keeps one socket open. `settled` must be called once a connection has proved itself. */
export class Connection {
  /** Characters received so far. */
  received = 0
  #socket: WebSocket | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #attempt = 0
  #spokeAt = 0
  #stopped = false
  readonly #url: string
  readonly #hello: ClientMessage | (() => ClientMessage)
  readonly #listener: Listener

  /** `hello` is said first on each connection; a function says what is held by then, to resume. */
  constructor(url: string, hello: ClientMessage | (() => ClientMessage), listener: Listener) {
    this.#url = url
    this.#hello = hello
    this.#listener = listener
  }

  open(): void {
    clearTimeout(this.#timer)
    if (this.#stopped || this.#socket !== null) return
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    this.#spokeAt = performance.now()
    socket.onopen = () => {
      this.#spokeAt = performance.now()
      this.#listener.connected(true)
      this.send(typeof this.#hello === "function" ? this.#hello() : this.#hello)
    }
    socket.onmessage = (event: MessageEvent<unknown>) => {
      this.#spokeAt = performance.now()
      if (typeof event.data === "string") this.received += event.data.length
      const message = read(event.data)
      if (message !== null) this.#listener.message(message)
    }
    socket.onclose = () => {
      if (this.#socket === socket) this.#lost()
    }
  }

  /** The connection gave a snapshot: the next failure starts with the shortest wait again. */
  settled(): void {
    this.#attempt = 0
  }

  send(message: ClientMessage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message))
  }

  /** Called each second: a socket that went mute is given up without waiting for TCP. After the
   *  page has slept (`late`) it gets its time anew: what it said meanwhile may not be read yet. */
  watch(late: boolean): void {
    if (late) this.#spokeAt = performance.now()
    else if (this.#socket !== null && performance.now() - this.#spokeAt > MUTE_MS) this.#drop()
  }

  /** The network came back, or the tab: do not sit out a long wait. */
  hurry(): void {
    if (this.#socket === null) this.open()
  }

  close(): void {
    this.#stopped = true
    this.#drop()
    clearTimeout(this.#timer)
  }

  #drop(): void {
    const socket = this.#socket
    if (socket === null) return
    socket.onopen = socket.onmessage = socket.onclose = null
    socket.close()
    this.#lost()
  }

  #lost(): void {
    this.#socket = null
    this.#listener.connected(false)
    clearTimeout(this.#timer)
    if (!this.#stopped) {
      this.#timer = setTimeout(() => this.open(), waitBefore(this.#attempt, Math.random()))
      this.#attempt += 1
    }
  }
}

function read(data: unknown): ServerMessage | null {
  if (typeof data !== "string") return null
  try {
    return JSON.parse(data) as ServerMessage
  } catch {
    return null
  }
}

export function socketUrl(location: { protocol: string; host: string }): string {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws`
}
