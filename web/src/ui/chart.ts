// The chart itself, loaded on demand: candles and volume, the score in a pane under them.

import {
  CandlestickSeries, type CandlestickData, ColorType, createChart, CrosshairMode, HistogramSeries, type IChartApi,
  type ISeriesApi, LineSeries, LineStyle, type UTCTimestamp, type WhitespaceData, type LineData,
} from "lightweight-charts"

import type { FormingBar } from "../wire/types"
import { FormingBarColumn as B } from "../wire/types"
import type { ScoreAt } from "./chart_data"
import { price as priceText, priceDecimals } from "./format"

interface Palette {
  readonly ground: string
  readonly ink: string
  readonly line: string
  readonly edge: string
  readonly up: string
  readonly down: string
  readonly score: string
}

function palette(element: Element): Palette {
  const style = getComputedStyle(element)
  const read = (name: string): string => style.getPropertyValue(name).trim()
  return {
    ground: read("--surface"), ink: read("--soft"), line: read("--line"), edge: read("--edge"),
    up: read("--up"), down: read("--down"), score: read("--score-line"),
  }
}

const SCORE_PANE = 1

function seconds(milliseconds: number): UTCTimestamp {
  return Math.floor(milliseconds / 1000) as UTCTimestamp
}

export class PriceChart {
  readonly #element: HTMLElement
  readonly #chart: IChartApi
  readonly #candles: ISeriesApi<"Candlestick">
  readonly #volume: ISeriesApi<"Histogram">
  readonly #score: ISeriesApi<"Line">
  #colors: Palette
  #fitted = ""

  constructor(element: HTMLElement) {
    this.#element = element
    this.#colors = palette(element)
    this.#chart = createChart(element, { autoSize: true, layout: { attributionLogo: false } })
    this.#candles = this.#chart.addSeries(CandlestickSeries, { priceLineVisible: true, priceLineStyle: LineStyle.Dotted })
    this.#candles.priceScale().applyOptions({ scaleMargins: { top: 0.06, bottom: 0.22 } })
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
      SCORE_PANE,
    )
    this.#score.createPriceLine({
      price: 50, color: this.#colors.ink, lineStyle: LineStyle.Dashed, lineWidth: 1, axisLabelVisible: false, title: "",
    })
    const [main, under] = this.#chart.panes()
    main?.setStretchFactor(3)
    under?.setStretchFactor(1)
    this.paint()
  }

  /** Take the colours of the theme that is on. */
  paint(): void {
    const colors = palette(this.#element)
    this.#colors = colors
    this.#chart.applyOptions({
      layout: {
        background: { type: ColorType.Solid, color: colors.ground }, textColor: colors.ink, fontSize: 11,
        fontFamily: getComputedStyle(this.#element).fontFamily,
        panes: { separatorColor: colors.edge, separatorHoverColor: colors.line },
      },
      grid: { vertLines: { color: colors.line }, horzLines: { color: colors.line } },
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { borderColor: colors.edge },
      timeScale: { borderColor: colors.edge, timeVisible: true, secondsVisible: false, rightOffset: 4 },
    })
    this.#candles.applyOptions({
      upColor: colors.up, downColor: colors.down, borderUpColor: colors.up, borderDownColor: colors.down,
      wickUpColor: colors.up, wickDownColor: colors.down,
    })
    this.#score.applyOptions({ color: colors.score })
    this.#candles.applyOptions({ priceLineColor: colors.ink })
  }

  /** Show these candles; the last one is drawn hollow when it is still open. `view` names what is
   *  shown: another one is fitted into the frame, the same one leaves the reader's zoom alone. */
  show(view: string, candles: readonly FormingBar[], forming: boolean, scores: readonly ScoreAt[]): void {
    const last = candles.length - 1
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
    this.#score.setData(
      scores.map((at): LineData<UTCTimestamp> | WhitespaceData<UTCTimestamp> =>
        at.value === null ? { time: seconds(at.time) } : { time: seconds(at.time), value: at.value },
      ),
    )
    if (this.#fitted !== view && candles.length > 0) {
      this.#fitted = view
      const shown = Math.min(candles.length, 90)
      this.#chart.timeScale().setVisibleLogicalRange({ from: candles.length - shown, to: candles.length + 3 })
    }
  }

  remove(): void {
    this.#chart.remove()
  }
}
