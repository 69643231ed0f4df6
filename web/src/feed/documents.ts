// Documents of the REST interface, each request with a deadline.

import type {
  AboutDocument, CandlesDocument, HealthDocument, OverviewDocument, Problem, ScoreHistoryDocument, SparklinesDocument,
  SymbolDetail, TracksDocument,
} from "../wire/types"

const DEADLINE_MS = 5_000

/** A request that failed, in words a reader understands. */
export class DocumentError extends Error {
  readonly status: number

  constructor(message: string, status: number) {
    super(message)
    this.status = status
  }
}

export async function get<T>(path: string, signal: AbortSignal): Promise<T> {
  const response = await fetch(path, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
    headers: { accept: "application/json" },
  })
  if (!response.ok) throw new DocumentError(await refusal(response), response.status)
  return (await response.json()) as T
}

/** A document with its ETag, or null when it is still the one of `tag`. */
export async function fetchChanged<T>(path: string, tag: string, signal: AbortSignal): Promise<{ document: T; tag: string } | null> {
  const response = await fetch(path, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
    headers: { accept: "application/json", ...(tag === "" ? {} : { "if-none-match": tag }) },
    cache: "no-store", // the tag is ours: the browser's own copy would hide a 304
  })
  if (response.status === 304) return null
  if (!response.ok) throw new DocumentError(await refusal(response), response.status)
  return { document: (await response.json()) as T, tag: response.headers.get("etag") ?? "" }
}

export async function refusal(response: Response): Promise<string> {
  try {
    const problem = (await response.json()) as Partial<Problem> & { reasons?: readonly string[] }
    return problem.detail ?? problem.title ?? problem.reasons?.join("; ") ?? `answer ${response.status}`
  } catch {
    return `answer ${response.status}`
  }
}

export function symbolPath(symbol: string): string {
  return `/api/symbols/${encodeURIComponent(symbol)}`
}

export function fetchDetail(symbol: string, signal: AbortSignal): Promise<SymbolDetail> {
  return get(symbolPath(symbol), signal)
}

export function fetchCandles(symbol: string, timeframe: string, signal: AbortSignal): Promise<CandlesDocument> {
  return get(`${symbolPath(symbol)}/candles?timeframe=${encodeURIComponent(timeframe)}`, signal)
}

export function fetchScores(symbol: string, signal: AbortSignal): Promise<ScoreHistoryDocument> {
  return get(`${symbolPath(symbol)}/scores`, signal)
}

export function fetchTracks(symbol: string, signal: AbortSignal): Promise<TracksDocument> {
  return get(`${symbolPath(symbol)}/tracks`, signal)
}

export function fetchSparklines(symbols: readonly string[], signal: AbortSignal): Promise<SparklinesDocument> {
  return get(`/api/sparklines?symbols=${encodeURIComponent(symbols.join(","))}`, signal)
}

export function fetchAbout(signal: AbortSignal): Promise<AboutDocument> {
  return get("/api/about", signal)
}

export function fetchOverview(signal: AbortSignal): Promise<OverviewDocument> {
  return get("/api/market/overview", signal)
}

/** The health document; it comes with 503 too, and is as true then. */
export async function fetchHealth(signal: AbortSignal): Promise<HealthDocument> {
  const response = await fetch("/health", { signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]) })
  return (await response.json()) as HealthDocument
}
