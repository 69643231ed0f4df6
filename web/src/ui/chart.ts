// The chart itself, loaded on demand: candles and volume, and under them on the same time axis the
// score, and for the symbol page cumulative flow, open interest and funding.

import {
  CandlestickSeries, type CandlestickData, ColorType, createChart, createSeriesMarkers, createTextWatermark, CrosshairMode,
  HistogramSeries, type IChartApi, type ISeriesApi, type ISeriesMarkersPluginApi, type ITextWatermarkPluginApi, LineSeries,
  LineStyle, type SeriesMarker, type Time, type UTCTimestamp, type WhitespaceData, type LineData,
} from "lightweight-charts"

import type { FormingBar, LiquidationRecord } from "../wire/types"
import { FormingBarColumn as B } from "../wire/types"
import { type ScoreAt, volumeProfile } from "./chart_data"
import { amount, price as priceText, priceDecimals, shifted } from "./format"
import { VolumeProfile } from "./volume_profile"

interface Palette {
  readonly ground: string
  readonly ink: string
  readonly faint: string
  readonly line: string
  readonly edge: string
  readonly up: string
  readonly down: string
  readonly score: string
  readonly fresh: string
}

function palette(element: Element): Palette {
  const style = getComputedStyle(element)
  const read = (name: string): string => style.getPropertyValue(name).trim()
  return {
    ground: read("--surface"), ink: read("--soft"), faint: read("--faint"), line: read("--line"), edge: read("--edge"),
    up: read("--up"), down: read("--down"), score: read("--score-line"), fresh: read("--fresh"),
  }
}

/** What runs beside the candles, by candle; null where there is nothing. */
export interface Tracks {
  readonly flow: readonly ScoreAt[]
  readonly interest: readonly ScoreAt[]
  readonly funding: readonly ScoreAt[]
}

/** What the pointer is on. */
export interface Pointed {
  readonly candle: FormingBar
  readonly score: number | null
  readonly flow: number | null
  readonly interest: number | null
}

/** Names of the panes under the candles, in their order. */
const PANES = ["Score, 50 is no pressure", "CVD: cumulative taker buys less sells, base currency", "Open interest, contracts; columns: settled funding, 8 h"]
const PROFILE_BINS = 60
/** Notional of forced closes in one candle from which their mark is large, quote currency. */
const LARGE = 100_000

function seconds(milliseconds: number): UTCTimestamp {
  return Math.floor(milliseconds / 1000) as UTCTimestamp
}

/** A line that breaks where a value is missing: what leads out of a hole is not drawn. */
function broken(points: readonly ScoreAt[], bridges: boolean): (LineData<UTCTimestamp> | WhitespaceData<UTCTimestamp>)[] {
  const last = points.findLastIndex(({ value }) => value !== null)
  return points.map(({ time, value }, index) => {
    if (value === null) return { time: seconds(time) }
    const ends = !bridges && index < last && points[index + 1]?.value === null
    return ends ? { time: seconds(time), value, color: "transparent" } : { time: seconds(time), value }
  })
}

export class PriceChart {
  readonly #element: HTMLElement
  readonly #chart: IChartApi
  readonly #candles: ISeriesApi<"Candlestick">
  readonly #volume: ISeriesApi<"Histogram">
  readonly #score: ISeriesApi<"Line">
  readonly #flow: ISeriesApi<"Line"> | null = null
  readonly #interest: ISeriesApi<"Line"> | null = null
  readonly #funding: ISeriesApi<"Histogram"> | null = null
  readonly #markers: ISeriesMarkersPluginApi<Time>
  readonly #profile = new VolumeProfile()
  #names: ITextWatermarkPluginApi<Time>[] = []
  #colors: Palette
  #fitted = ""
  #shown: readonly FormingBar[] = []
  #scores: readonly ScoreAt[] = []
  #tracks: Tracks | null = null
  #profiled = false

  constructor(element: HTMLElement, tracked = false) {
    this.#element = element
    this.#colors = palette(element)
    this.#chart = createChart(element, { autoSize: true, layout: { attributionLogo: false } })
    this.#candles = this.#chart.addSeries(CandlestickSeries, { priceLineVisible: true, priceLineStyle: LineStyle.Dotted })
    this.#candles.priceScale().applyOptions({ scaleMargins: { top: 0.06, bottom: 0.22 } })
    this.#candles.attachPrimitive(this.#profile)
    this.#markers = createSeriesMarkers(this.#candles)
    this.#volume = this.#chart.addSeries(HistogramSeries, {
      priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false,
    })
    this.#volume.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } })
    this.#score = this.#chart.addSeries(
      LineSeries,
      {
        lineWidth: 2, priceLineVisible: false,
        priceFormat: { type: "price", precision: 0, minMove: 1 },
        autoscaleInfoProvider: () => ({ priceRange: { minValue: 0, maxValue: 100 } }),
      },
      1,
    )
    this.#score.createPriceLine({
      price: 50, color: this.#colors.ink, lineStyle: LineStyle.Dashed, lineWidth: 1, axisLabelVisible: false, title: "",
    })
    if (tracked) {
      const amounts = { type: "custom", minMove: 1e-8, formatter: amount } as const
      const plain = { lineWidth: 2, priceLineVisible: false, priceFormat: amounts } as const
      this.#flow = this.#chart.addSeries(LineSeries, plain, 2)
      this.#interest = this.#chart.addSeries(LineSeries, plain, 3)
      this.#funding = this.#chart.addSeries(
        HistogramSeries,
        {
          priceScaleId: "funding", priceLineVisible: false, lastValueVisible: false,
          priceFormat: { type: "custom", minMove: 1e-8, formatter: (value: number) => `${(value * 100).toFixed(4)} %` },
        },
        3,
      )
      this.#funding.priceScale().applyOptions({ scaleMargins: { top: 0.6, bottom: 0.04 } })
      this.#interest.priceScale().applyOptions({ scaleMargins: { top: 0.2, bottom: 0.3 } })
    }
    this.#chart.panes().forEach((pane, index) => pane.setStretchFactor(index === 0 ? (tracked ? 3.4 : 3) : 1))
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange(() => this.#drawProfile())
    this.paint()
  }

  /** Be told what the pointer is on; null when it is on nothing. */
  point(tell: (pointed: Pointed | null) => void): void {
    this.#chart.subscribeCrosshairMove(({ logical }) => {
      const index = logical === undefined ? -1 : Math.round(logical)
      const candle = this.#shown[index]
      tell(
        candle === undefined ? null : {
          candle, score: this.#scores[index]?.value ?? null, flow: this.#tracks?.flow[index]?.value ?? null,
          interest: this.#tracks?.interest[index]?.value ?? null,
        },
      )
    })
  }

  /** Take the colours of the theme that is on, and the zone that times are shown in. */
  paint(): void {
    const colors = palette(this.#element)
    this.#colors = colors
    const local = (at: Time): Date => shifted(Number(at) * 1000)
    this.#chart.applyOptions({
      layout: {
        background: { type: ColorType.Solid, color: colors.ground }, textColor: colors.ink, fontSize: 11,
        fontFamily: getComputedStyle(this.#element).fontFamily,
        panes: { separatorColor: colors.edge, separatorHoverColor: colors.line },
      },
      grid: { vertLines: { color: colors.line }, horzLines: { color: colors.line } },
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { borderColor: colors.edge, minimumWidth: 72 },
      localization: { timeFormatter: (at: Time) => local(at).toISOString().slice(0, 16).replace("T", " ") },
      timeScale: {
        borderColor: colors.edge, timeVisible: true, secondsVisible: false, rightOffset: 4,
        tickMarkFormatter: (at: Time, kind: number) => {
          const text = local(at).toISOString()
          return kind >= 3 ? text.slice(11, 16) : kind === 2 ? text.slice(5, 10) : text.slice(0, 7)
        },
      },
    })
    this.#candles.applyOptions({
      upColor: colors.up, downColor: colors.down, borderUpColor: colors.up, borderDownColor: colors.down,
      wickUpColor: colors.up, wickDownColor: colors.down, priceLineColor: colors.ink,
    })
    this.#score.applyOptions({ color: colors.score })
    this.#flow?.applyOptions({ color: colors.fresh })
    this.#interest?.applyOptions({ color: colors.fresh })
    this.#funding?.applyOptions({ color: colors.faint })
    this.#profile.paint(colors.faint)
    for (const name of this.#names) name.detach()
    this.#names = this.#chart.panes().slice(1).map((pane, index) =>
      createTextWatermark(pane, {
        horzAlign: "left", vertAlign: "top",
        lines: [{ text: PANES[index] ?? "", color: colors.faint, fontSize: 11, fontFamily: getComputedStyle(this.#element).fontFamily }],
      }),
    )
  }

  /** Show these candles; the last one is drawn hollow when it is still open. `view` names what is
   *  shown: another one is fitted into the frame, the same one leaves the reader's zoom alone. */
  show(view: string, candles: readonly FormingBar[], forming: boolean, scores: readonly ScoreAt[], tracks: Tracks | null = null): void {
    const last = candles.length - 1
    this.#shown = candles
    this.#scores = scores
    this.#tracks = tracks
    const bars = candles.map((candle, index): CandlestickData<UTCTimestamp> => {
      const bar = {
        time: seconds(candle[B.open_time]),
        open: candle[B.open], high: candle[B.high], low: candle[B.low], close: candle[B.close],
      }
      return forming && index === last ? { ...bar, color: this.#colors.ground } : bar
    })
    const close = candles[last]?.[B.close]
    if (close !== undefined) {
      const precision = priceDecimals(close)
      this.#candles.applyOptions({
        priceFormat: { type: "custom", minMove: 10 ** -precision, formatter: (value: number) => priceText(value) },
      })
    }
    this.#candles.setData(bars)
    this.#volume.setData(
      candles.map((candle, index) => ({
        time: seconds(candle[B.open_time]),
        value: candle[B.volume],
        color: (candle[B.close] < candle[B.open] ? this.#colors.down : this.#colors.up) + (forming && index === last ? "33" : "66"),
      })),
    )
    this.#score.setData(broken(scores, false))
    this.#flow?.setData(broken(tracks?.flow ?? [], false))
    this.#interest?.setData(broken(tracks?.interest ?? [], true))
    this.#funding?.setData(broken(tracks?.funding ?? [], true))
    if (this.#fitted !== view && candles.length > 0) {
      this.#fitted = view
      const shown = Math.min(candles.length, 90)
      this.#chart.timeScale().setVisibleLogicalRange({ from: candles.length - shown, to: candles.length + 3 })
    }
    this.#drawProfile()
  }

  /** Mark forced closes on their candles; a liquidated long was sold, a short was bought. */
  mark(liquidations: readonly LiquidationRecord[], span: number): void {
    const first = this.#shown[0]?.[B.open_time] ?? Number.POSITIVE_INFINITY
    const sums = new Map<string, { time: number; long: boolean; notional: number }>()
    for (const { at, side, notional } of liquidations) {
      const time = Math.floor(at / span) * span
      if (time < first) continue
      const key = `${time} ${side}`
      const held = sums.get(key)
      sums.set(key, { time, long: side === "long", notional: notional + (held?.notional ?? 0) })
    }
    const markers = [...sums.values()].sort((a, b) => a.time - b.time).map(({ time, long, notional }): SeriesMarker<Time> => ({
      time: seconds(time), position: long ? "aboveBar" : "belowBar", shape: long ? "arrowDown" : "arrowUp",
      color: long ? this.#colors.down : this.#colors.up, size: notional >= LARGE ? 1.2 : 0.6,
    }))
    this.#markers.setMarkers(markers)
  }

  profile(on: boolean): void {
    this.#profiled = on
    this.#drawProfile()
  }

  #drawProfile(): void {
    const range = this.#profiled ? this.#chart.timeScale().getVisibleLogicalRange() : null
    const seen = range === null ? [] : this.#shown.slice(Math.max(0, Math.floor(range.from)), Math.max(0, Math.ceil(range.to)))
    this.#profile.show(volumeProfile(seen, PROFILE_BINS))
  }

  remove(): void {
    this.#chart.remove()
  }
}
