// The monitor's last day: a chart a measure, a line each of what is measured.

import { compact, number } from "../../ui/format"

const HISTORY_PATH = "/api/monitoring/history"

/** What is worth a look, in its order; the monitor keeps more. */
const MEASURES: readonly (readonly [string, string])[] = [
  ["score_cycle_seconds", "Score cycle"], ["loop_lag_seconds", "Longest wait of the loop"], ["process_cpu_ratio", "Processor time"],
  ["process_memory_bytes", "Memory"], ["symbols_with_score", "Symbols with a score"], ["feed_input_late_symbols", "Symbols with a late input"],
  ["feed_reconnects_total", "Connections lost"], ["feed_refused_total", "Events refused"], ["feed_book_gaps", "Gaps in order books"],
  ["websocket_clients", "Socket clients"], ["websocket_delivery_p99_seconds", "Push to its last client, p99"], ["cache_hit_ratio", "Cache hits"],
  ["alerts_active", "Active alerts"], ["alerts_waiting", "Alert deliveries that wait"], ["store_written_total", "Rows written"],
  ["disk_free_bytes", "Disk that is free"],
]
const MOST_LINES = 3

export function historyPath(minutes: number): string {
  return `${HISTORY_PATH}?minutes=${minutes}&series=${MEASURES.map(([name]) => name).join(",")}`
}

export interface Chart {
  readonly measure: string
  readonly title: string
  readonly unit: string
  readonly about: string
  /** Milliseconds UTC, rising. */
  readonly times: readonly number[]
  readonly lines: readonly { readonly name: string; readonly values: readonly (number | null)[] }[]
  /** Lines that are lower than these, and not drawn. */
  readonly more: number
}

/** What is read of an answer; whatever is not of this form is left out. */
interface Kept {
  readonly measure: string
  readonly unit: string
  readonly text: string
  readonly labels: Readonly<Record<string, string>>
  readonly values: readonly (number | null)[]
}

function isKept(each: unknown): each is Kept {
  if (typeof each !== "object" || each === null) return false
  const { measure, unit, text, labels, values } = each as Partial<Record<keyof Kept, unknown>>
  return [measure, unit, text].every((word) => typeof word === "string") && typeof labels === "object" && labels !== null && Array.isArray(values)
}

function highest({ values }: Kept): number {
  return Math.max(Number.NEGATIVE_INFINITY, ...values.filter((value) => value !== null))
}

/** Shares as percent. */
function shownAs(kept: Kept): readonly [string, number] {
  return kept.unit === "ratio" ? ["%", 100] : [kept.unit, 1]
}

/** How many minutes to ask for: all of the day, or the last hour of a record that is no older. */
export function minutesOf(answer: unknown): number {
  if (typeof answer !== "object" || answer === null || !("now" in answer) || !("recorded_since" in answer)) return 1_440
  const { now, recorded_since: since } = answer
  return typeof now === "number" && typeof since === "number" && now - since < 60 * 60_000 ? 60 : 1_440
}

export function chartsOf(answer: unknown): readonly Chart[] {
  if (typeof answer !== "object" || answer === null || !("series" in answer) || !Array.isArray(answer.series)) return []
  const [start, step] = ["start" in answer ? answer.start : null, "step_ms" in answer ? answer.step_ms : null]
  if (typeof start !== "number" || typeof step !== "number") return []
  const kept = answer.series.filter(isKept)
  /** Before it nobody looked at anything. */
  const begun = Math.max(0, Math.min(...kept.map(({ values }) => values.findIndex((value) => value !== null)).filter((index) => index >= 0)))
  return MEASURES.flatMap(([measure, title]): Chart[] => {
    const own = kept.filter((each) => each.measure === measure && each.values.some((value) => value !== null))
    const [first] = own
    if (first === undefined) return []
    const [unit, scale] = shownAs(first)
    const drawn = [...own].sort((a, b) => highest(b) - highest(a)).slice(0, MOST_LINES)
    return [{
      measure, title, unit, about: first.text, more: own.length - drawn.length,
      times: first.values.map((_, index) => start + index * step).slice(begun),
      lines: drawn.map(({ labels, values }) => ({
        name: Object.values(labels).join(" ").replaceAll("_", " ") || title,
        values: values.slice(begun).map((value) => (value === null ? null : value * scale)),
      })),
    }]
  })
}

/** Large numbers shortened, small ones with three digits. */
export function figure(value: number): string {
  const size = Math.abs(value)
  if (size >= 10_000) return compact(value)
  return number(value, size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3)
}
