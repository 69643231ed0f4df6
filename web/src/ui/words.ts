// Names and marks of what is shown.

import { reasonText } from "../feed/freshness"
import type { ComponentName, DimensionName, Direction, Reason } from "../wire/types"

export const SHORT: Readonly<Record<ComponentName, string>> = {
  orderbook: "OB", orderflow: "OF", technical: "TA", volume: "VOL", sentiment: "SEN", price_structure: "PS",
}

export const LONG: Readonly<Record<ComponentName, string>> = {
  orderbook: "Order book", orderflow: "Order flow", technical: "Technical",
  volume: "Volume", sentiment: "Sentiment", price_structure: "Price structure",
}

export const LENSES: Readonly<Record<DimensionName, string>> = {
  order_flow: "Order flow", sentiment: "Sentiment", liquidity: "Liquidity",
  bitcoin_beta: "Bitcoin beta", smart_money: "Large-trade flow", machine_learning: "Machine learning",
}

export const GLYPHS: Readonly<Record<Direction, string>> = { Bullish: "▲", Bearish: "▼", Neutral: "■" }

export const CHART_NOTICE = "Charts by TradingView Lightweight Charts"

/** `up`, `down` or nothing: the colour class of a signed number. */
export function side(value: number | null): "up" | "down" | "" {
  return value === null || value === 0 ? "" : value > 0 ? "up" : "down"
}

export function directionClass(direction: Direction | null): "up" | "down" | "" {
  return direction === "Bullish" ? "up" : direction === "Bearish" ? "down" : ""
}

/** Which of ten steps a 0..100 value is in. */
export function step(value: number): number {
  return Math.max(0, Math.min(9, Math.floor(value / 10)))
}

/** Why a score is null: its coverage against what it needs, or the reason alone. */
export function coverageText(coverage: number, floor: number | undefined): string {
  return `coverage ${coverage.toFixed(2)}${floor === undefined ? "" : `, needs ${floor.toFixed(2)}`}`
}

/** What a component says, or why it says nothing. */
export function componentText(name: ComponentName, value: number | null, reason: Reason | null): string {
  return value === null ? `${LONG[name]}: no value, ${reasonText(reason)}` : `${LONG[name]} ${value.toFixed(1)}`
}
