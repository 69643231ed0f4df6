// The rows of the health page: what each part says of itself, and what is measured of it.

import type { CacheMetrics, CycleTotals, FiguresDocument, HealthDocument, HealthPart, InputsDocument, TierMetrics } from "../../wire/types"

export type Group = "Engine" | "Feeds" | "Cache" | "Store" | "Web" | "Alerts" | "Other"
export const GROUPS: readonly Group[] = ["Engine", "Feeds", "Cache", "Store", "Web", "Alerts", "Other"]

export interface PartRow {
  readonly name: string
  readonly label: string
  readonly group: Group
  /** Null where nothing judges it: its figures stand alone. */
  readonly status: HealthPart["status"] | null
  readonly text: string
  /** Milliseconds, half and nineteen of twenty within; null where nobody measures it. */
  readonly p50: number | null
  readonly p95: number | null
  /** What the two are of. */
  readonly lag: string
  /** Null where nobody counts them. */
  readonly errors: number | null
  readonly errorsOf: string
  readonly since: number | null
  readonly age_ms: number | null
}

const NAMES: Readonly<Record<string, readonly [Group, string]>> = {
  engine: ["Engine", "Engine"], loop: ["Engine", "Event loop"], publisher: ["Engine", "Publisher"], settings: ["Engine", "Settings"],
  last_good: ["Engine", "Last good snapshot"], warm_up: ["Feeds", "Warm-up"], feed: ["Feeds", "Feed"], order_books: ["Feeds", "Order books"],
  exchange: ["Feeds", "Simulator’s process"], history: ["Store", "History"], alerts: ["Alerts", "Alerts"], cache: ["Cache", "Cache"],
  pushes: ["Web", "Pushes"], pages: ["Web", "Pages"],
}

const STARTS: readonly (readonly [string, Group, string])[] = [
  ["rest_", "Feeds", "Requests to"], ["feed_", "Feeds", "Feed of"], ["web_", "Web", "Web:"], ["monitor_", "Web", "Monitor:"], ["sink_", "Store", "Export to"],
]

/** Which group a part belongs to, and what it is called. */
export function named(name: string): readonly [Group, string] {
  const known = NAMES[name]
  if (known !== undefined) return known
  const start = STARTS.find(([prefix]) => name.startsWith(prefix))
  const words = (text: string): string => text.replaceAll("_", " ")
  return start === undefined ? ["Other", words(name)] : [start[1], `${start[2]} ${words(name.slice(start[0].length))}`]
}

/** Upper end of the class that holds a quantile of the cycles of all venues; null before the first, or above all classes. */
export function cycleMs(totals: readonly CycleTotals[], bounds: readonly number[], quantile: number): number | null {
  const count = totals.reduce((sum, each) => sum + each.count, 0)
  if (count === 0) return null
  return bounds.find((_, index) => totals.reduce((sum, each) => sum + (each.wall_buckets[index] ?? 0), 0) >= quantile * count) ?? null
}

function tierRow(tier: TierMetrics, served: string): PartRow {
  const rate = tier.hit_rate === null ? "not asked yet" : `${(100 * tier.hit_rate).toFixed(1)} % hits`
  const share = tier.share_of_hits === null ? "" : `, ${(100 * tier.share_of_hits).toFixed(0)} % of all hits`
  const held = tier.items === null ? "" : `, ${tier.items} values held`
  const why = tier.state === "in_use" ? "" : `left alone${tier.text === "" ? "" : `: ${tier.text}`}; `
  return {
    name: `tier_${tier.name}`, label: `Tier: ${tier.name}`, group: "Cache",
    status: tier.state === "in_use" ? "pass" : "warn", text: `${why}${rate}${share}${held}`,
    p50: tier.read.p50_ms, p95: null, lag: `a read${served}`,
    errors: Object.values(tier.errors).reduce((sum, each) => sum + each, 0), errorsOf: "failed calls", since: null, age_ms: null,
  }
}

/** Age of one kind of input that a share of the symbols is under, when the engine looked; null where none has any. */
export function ageMs(inputs: InputsDocument, kind: string, quantile: number): number | null {
  const place = inputs.kinds.indexOf(kind)
  const times = inputs.symbols.map(({ as_of }) => as_of[place] ?? null).filter((at) => at !== null)
  const ages = times.map((at) => Math.max(0, inputs.now - at)).sort((a, b) => a - b)
  return ages[Math.min(ages.length - 1, Math.floor(quantile * ages.length))] ?? null
}

interface Lag {
  readonly p50: number | null
  readonly p95: number | null
  readonly lag: string
}

const UNMEASURED: Lag = { p50: null, p95: null, lag: "" }

function both(at: (quantile: number) => number | null, lag: string): Lag {
  return { p50: at(0.5), p95: at(0.95), lag }
}

/** What is measured of a part of the engine, if anything. */
function lagOf(name: string, figures: FiguresDocument | null, inputs: InputsDocument | null): Lag {
  if (name === "publisher" && figures?.engine) {
    const { cycles } = figures.engine
    return both((quantile) => cycleMs(cycles, figures.cycle_bounds_ms, quantile), "a cycle, from its second to its board; upper ends of classes")
  }
  if (inputs === null) return UNMEASURED
  if (name === "feed") return both((quantile) => ageMs(inputs, "ticker", quantile), "age of the symbols’ newest tickers, when the engine looked")
  if (name === "order_books") return both((quantile) => ageMs(inputs, "book", quantile), "age of the symbols’ order books, when the engine looked")
  return UNMEASURED
}

/** Every part with what is known of it, in the order of the groups; the web's figures are those of the process that answers. */
export function rowsOf(
  health: HealthDocument, figures: FiguresDocument | null, metrics: CacheMetrics | null, inputs: InputsDocument | null,
): readonly PartRow[] {
  const counters = figures?.engine?.counters ?? {}
  const sockets = figures?.sockets ?? {}
  const counted: Readonly<Record<string, readonly [string, string]>> = {
    feed: ["disconnects", "connections lost"], order_books: ["book_gaps", "gaps"],
  }
  const rows = health.parts.map((part): PartRow => {
    const [group, label] = named(part.name)
    const [counter, errorsOf] = counted[part.name] ?? ["", ""]
    return {
      name: part.name, label, group, status: part.status, text: part.text, since: part.since, age_ms: part.age_ms,
      ...lagOf(part.name, figures, inputs), errors: counters[counter] ?? null, errorsOf,
    }
  })
  for (const tier of metrics?.tiers ?? []) rows.push(tierRow(tier, ", upper ends of classes"))
  if (figures !== null) {
    const delivered = (name: string): number | null => ((sockets["sent"] ?? 0) > 0 ? (sockets[name] ?? 0) / 1000 : null)
    rows.push({
      name: "sockets", label: "Sockets", group: "Web", status: null, since: null, age_ms: null,
      text: `${sockets["clients"] ?? 0} open, ${sockets["sent"] ?? 0} messages sent, ${sockets["refused"] ?? 0} refused`,
      p50: delivered("delivery_us_p50"), p95: delivered("delivery_us_p95"), lag: "a push, to the last client",
      errors: sockets["evicted"] ?? null, errorsOf: "clients cut off",
    })
  }
  return rows.sort((a, b) => GROUPS.indexOf(a.group) - GROUPS.indexOf(b.group))
}
