package main

import (
	"bytes"
	"encoding/binary"
	"math"
	"os/exec"
	"regexp"
	"slices"
	"strconv"

	"gonum.org/v1/gonum/dsp/fourier"

	"resetrig/pcm/corpus"
)

// span is a long beep that a peer found.
type span struct{ from, to float64 }

// thresholdRule is what is usually written: frames of 4096 at 48 kHz's length,
// the power within ±2.5 % of the known frequency ten decibels over the median
// of all bins, for 0.9 s with one frame missing at most.
func thresholdRule(x []float32) []span {
	const n, hop = 2048, 512
	fft := fourier.NewFFT(n)
	window := make([]float64, n)
	for i := range window {
		window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/n)
	}
	bin := func(hz float64) int { return int(hz * n / rate) }
	lo, hi := bin(corpus.FrequencyHz*0.975), bin(corpus.FrequencyHz*1.025)+1
	frame, power := make([]float64, n), make([]float64, n/2)
	var out []span
	from, last := -1, -1
	end := func() {
		if from >= 0 && float64(last-from)*hop/rate >= 0.9 {
			out = append(out, span{float64(from*hop+n/2) / rate, float64(last*hop+n/2) / rate})
		}
		from = -1
	}
	for k := 0; k*hop+n <= len(x); k++ {
		for i := range frame {
			frame[i] = float64(x[k*hop+i]) * window[i]
		}
		for i, z := range fft.Coefficients(nil, frame)[:n/2] {
			power[i] = real(z)*real(z) + imag(z)*imag(z)
		}
		top := slices.Max(power[lo : hi+1])
		slices.Sort(power)
		if top > 20*power[n/4] {
			if from < 0 {
				from = k
			}
			last = k
		} else if k-last > 1 {
			end()
		}
	}
	end()
	return out
}

var (
	silenceEnd   = regexp.MustCompile(`silence_end: ([0-9.]+)`)
	silenceStart = regexp.MustCompile(`silence_start: (-?[0-9.]+)`)
)

// ffmpegRule is a band-pass of ±2.5 % and silencedetect at 10 dB under the
// calibrated level.
func ffmpegRule(x []float32) ([]span, error) {
	var in bytes.Buffer
	if err := binary.Write(&in, binary.LittleEndian, x); err != nil {
		return nil, err
	}
	filter := "bandpass=f=" + strconv.Itoa(corpus.FrequencyHz) + ":width_type=h:w=155,bandpass=f=" + strconv.Itoa(corpus.FrequencyHz) + ":width_type=h:w=155,silencedetect=n=-38dB:d=0.05"
	cmd := exec.Command("ffmpeg", "-hide_banner", "-nostats", "-f", "f32le", "-ar", strconv.Itoa(rate), "-ac", "1", "-i", "-", "-af", filter, "-f", "null", "-")
	cmd.Stdin = &in
	var text bytes.Buffer
	cmd.Stderr = &text
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	// Sound is from a silence's end to the next one's start.
	var out []span
	at := 0.0
	for _, line := range bytes.Split(text.Bytes(), []byte("\n")) {
		if m := silenceStart.FindSubmatch(line); m != nil {
			v, _ := strconv.ParseFloat(string(m[1]), 64)
			if v-at >= 0.9 {
				out = append(out, span{at, v})
			}
		}
		if m := silenceEnd.FindSubmatch(line); m != nil {
			at, _ = strconv.ParseFloat(string(m[1]), 64)
		}
	}
	if end := float64(len(x)) / rate; !bytes.Contains(text.Bytes(), []byte("silence_start")) && end > 0.9 {
		out = append(out, span{0, end})
	}
	return out, nil
}
