// Whether a message of the socket may be applied to what this page holds.

import type { Heartbeat, Resumed, Snapshot, Update } from "../wire/types"

/** What was applied last. */
export interface Held {
  readonly epoch: string
  readonly seq: number
}

export type Verdict = "apply" | "drop" | "resync"

/** A snapshot replaces everything, unless it is older than what is held. */
export function judgeSnapshot(held: Held | null, message: Snapshot): Verdict {
  if (held?.epoch === message.epoch && message.seq < held.seq) return "drop"
  return "apply"
}

/** An update must follow what was sent before it; otherwise something was missed. */
export function judgeUpdate(held: Held | null, message: Update): Verdict {
  if (held === null || held.epoch !== message.epoch) return "resync"
  // one of the very sequence that is held brings notices alone
  if (message.previous === held.seq && message.seq >= held.seq) return "apply"
  return message.seq <= held.seq ? "drop" : "resync"
}

/** The server goes on from a place; it must be the one that is held. */
export function judgeResumed(held: Held | null, message: Resumed): Verdict {
  return held?.epoch === message.epoch && held.seq === message.seq ? "apply" : "resync"
}

/** A heartbeat names the last message sent: another epoch or a later one means that it was missed. */
export function judgeHeartbeat(held: Held | null, message: Heartbeat): Verdict {
  if (held === null) return "apply"
  return held.epoch === message.epoch && message.seq <= held.seq ? "apply" : "resync"
}
