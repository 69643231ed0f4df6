// Two stairs of cumulative quantity, falling towards the middle, in a box of RIGHT x TALL.

import { type BookLevel, BookLevelColumn as L } from "../../wire/types"

export const RIGHT = 300
export const TALL = 120

export interface DepthCurve {
  readonly bids: string
  readonly asks: string
  readonly low: number
  readonly high: number
}

/** Levels best first; null without both sides. The middle is in the middle, both sides equally far. */
export function depthPath(bids: readonly BookLevel[], asks: readonly BookLevel[]): DepthCurve | null {
  const [bid, ask, lastBid, lastAsk] = [bids[0], asks[0], bids.at(-1), asks.at(-1)]
  if (bid === undefined || ask === undefined || lastBid === undefined || lastAsk === undefined) return null
  const middle = (bid[L.price] + ask[L.price]) / 2
  const reach = Math.max(middle - lastBid[L.price], lastAsk[L.price] - middle)
  const most = Math.max(lastBid[L.cumulative], lastAsk[L.cumulative])
  if (!(reach > 0) || !(most > 0)) return null
  const x = (at: number): string => (((at - middle) / reach + 1) * (RIGHT / 2)).toFixed(1)
  const y = (sum: number): string => (TALL - (sum / most) * (TALL - 4)).toFixed(1)
  const stairs = (levels: readonly BookLevel[], end: number): string => {
    let path = ""
    for (const level of levels) path += `${path === "" ? `M${x(level[L.price])} ${TALL}` : `H${x(level[L.price])}`}V${y(level[L.cumulative])}`
    return `${path}H${end}V${TALL}Z`
  }
  return { bids: stairs(bids, 0), asks: stairs(asks, RIGHT), low: middle - reach, high: middle + reach }
}
