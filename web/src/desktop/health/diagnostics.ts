// What "copy diagnostics" puts into the clipboard: what helps somebody else to see what is wrong, and nothing to keep secret.

import type { State } from "../../wire/types"
import type { AgesRow } from "./ages"
import type { PartRow } from "./parts"

export interface Facts {
  readonly version: string
  readonly source: string
  readonly simulated: boolean
  readonly timestamp: string
  /** How this page sees its feed. */
  readonly feed: string
  readonly browser: string
  readonly rows: readonly PartRow[]
  readonly counters: Readonly<Record<string, number>>
  readonly sockets: Readonly<Record<string, number>>
  readonly inputs: Readonly<Record<State, number>> | null
  readonly kinds: readonly string[]
  readonly late: readonly AgesRow[]
}

/** Without folders, names within an address, or anything that looks like a key. */
export function harmless(text: string): string {
  return text
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/]*@/gi, "$1…@")
    .replace(/\b(token|secret|password|key|signature)(["']?\s*[=:]\s*)\S+/gi, "$1$2…")
    .replace(/\b[A-Za-z0-9_-]{40,}\b/g, "…")
    .replace(/(^|[\s("'=])(?:~|[A-Za-z]:)?[\\/](?:[^\\/\s:;,"']+[\\/])+/g, "$1…/")
}

function listed(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(", ")
}

export function diagnosticsText(facts: Facts): string {
  const lines = [
    `Virtuoso ${facts.version}, ${facts.source}${facts.simulated ? ", SIMULATED" : ""}, ${facts.timestamp}`,
    `feed: ${facts.feed}`, `browser: ${facts.browser}`, "",
    ...facts.rows.map((row) => {
      const lag = row.p50 === null ? "" : `; ${row.p50} ms${row.p95 === null ? "" : `, ${row.p95} ms at 95 %`} ${row.lag}`
      const errors = row.errors === null ? "" : `; ${row.errors} ${row.errorsOf}`
      return `${(row.status ?? "-").padEnd(4)} ${row.name}: ${row.text}${lag}${errors}`
    }),
    "", `engine: ${listed(facts.counters)}`, `sockets: ${listed(facts.sockets)}`,
    `inputs: ${facts.inputs === null ? "not known" : listed(facts.inputs)}`,
    ...facts.late.slice(0, 20).map((row) => `  ${row.symbol}: ${row.worst}${row.place === null ? "" : `, ${facts.kinds[row.place] ?? ""}`}`),
  ]
  return `${lines.map(harmless).join("\n")}\n`
}
