package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Numbers with a unit. In a file each is written with it; in Go the type's name
// says it. Durations are time.Duration.
type (
	Hertz   float64 // 2730Hz, 2.7kHz
	DBFS    float64 // -20dBFS: decibels relative to full scale, never above 0
	Ohms    float64 // 100mOhm, 100mΩ, 0.1Ohm
	Amperes float64 // 200mA, 1.5A
	// I2CAddress is the 7 bit address of a chip: 0x40.
	I2CAddress uint8
	// Band is a range of frequencies, both ends included: 2kHz..4kHz.
	Band struct{ Low, High Hertz }
)

// valueError says what is wrong with a value and what would be right.
type valueError struct{ wrong, right string }

func (e *valueError) Error() string { return e.wrong + "; " + e.right }

func asValueError(err error) *valueError {
	var v *valueError
	if !errors.As(err, &v) {
		v = &valueError{wrong: err.Error()}
	}
	return v
}

type unit struct {
	name   string
	factor float64
}

var (
	hertzUnits  = []unit{{"Hz", 1}, {"kHz", 1e3}}
	dbfsUnits   = []unit{{"dBFS", 1}}
	ohmUnits    = []unit{{"Ohm", 1}, {"mOhm", 1e-3}, {"Ω", 1}, {"mΩ", 1e-3}}
	ampereUnits = []unit{{"A", 1}, {"mA", 1e-3}}

	number = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?`)
)

// quantity reads a number followed by one of the units.
func quantity(text, kind, example string, units []unit) (float64, error) {
	digits := number.FindString(text)
	if digits == "" {
		return 0, &valueError{fmt.Sprintf("%q is no %s", text, kind), "write it like " + example}
	}
	rest := strings.TrimPrefix(text, digits)
	if rest == "" {
		return 0, &valueError{fmt.Sprintf("%s is a number without a unit", text), "write " + text + units[0].name}
	}
	for _, u := range units {
		if rest == u.name {
			v, err := strconv.ParseFloat(digits, 64)
			if err != nil || math.IsInf(v, 0) {
				return 0, &valueError{fmt.Sprintf("%q is no number", digits), "write it like " + example}
			}
			return v * u.factor, nil
		}
	}
	names := make([]string, len(units))
	for i, u := range units {
		names[i] = u.name
	}
	return 0, &valueError{fmt.Sprintf("%q is no unit of a %s", strings.TrimSpace(rest), kind),
		"write the number and " + oneOf(names) + " without a space, like " + example}
}

// UnmarshalText reads a frequency above zero.
func (h *Hertz) UnmarshalText(b []byte) error {
	v, err := quantity(string(b), "frequency", "2730Hz or 2.7kHz", hertzUnits)
	if err == nil && v <= 0 {
		err = &valueError{fmt.Sprintf("%s is no frequency", b), "write one above zero"}
	}
	*h = Hertz(v)
	return err
}

// MarshalText writes the frequency so that it reads back as the same.
func (h Hertz) MarshalText() ([]byte, error) { return format(float64(h), "Hz"), nil }

// UnmarshalText reads a level of at most full scale.
func (l *DBFS) UnmarshalText(b []byte) error {
	v, err := quantity(string(b), "level", "-20dBFS", dbfsUnits)
	if err == nil && v > 0 {
		err = &valueError{fmt.Sprintf("%s is above full scale", b), "a level in dBFS is zero or negative, like -20dBFS"}
	}
	*l = DBFS(v)
	return err
}

// MarshalText writes the level so that it reads back as the same.
func (l DBFS) MarshalText() ([]byte, error) { return format(float64(l), "dBFS"), nil }

// UnmarshalText reads a resistance above zero.
func (o *Ohms) UnmarshalText(b []byte) error {
	v, err := quantity(string(b), "resistance", "100mOhm", ohmUnits)
	if err == nil && v <= 0 {
		err = &valueError{fmt.Sprintf("%s is no resistance", b), "write one above zero"}
	}
	*o = Ohms(v)
	return err
}

// UnmarshalText reads a current above zero.
func (a *Amperes) UnmarshalText(b []byte) error {
	v, err := quantity(string(b), "current", "200mA", ampereUnits)
	if err == nil && v <= 0 {
		err = &valueError{fmt.Sprintf("%s is no current", b), "write one above zero"}
	}
	*a = Amperes(v)
	return err
}

// UnmarshalText reads an address from 0x08 to 0x77; the others are reserved
// (I2C specification UM10204, section 3.1.12).
func (a *I2CAddress) UnmarshalText(b []byte) error {
	digits, hex := strings.CutPrefix(string(b), "0x")
	v, err := strconv.ParseUint(digits, 16, 8)
	if !hex || err != nil || v < 0x08 || v > 0x77 {
		return &valueError{fmt.Sprintf("%q is no I2C address", b), "write it in hexadecimal from 0x08 to 0x77, like 0x40"}
	}
	*a = I2CAddress(v)
	return nil
}

// UnmarshalText reads two frequencies with .. between them.
func (r *Band) UnmarshalText(b []byte) error {
	low, high, ok := strings.Cut(string(b), "..")
	if !ok {
		return &valueError{fmt.Sprintf("%q is no range of frequencies", b), "write it like 2kHz..4kHz"}
	}
	if err := errors.Join(r.Low.UnmarshalText([]byte(low)), r.High.UnmarshalText([]byte(high))); err != nil {
		return asValueError(err)
	}
	if r.Low >= r.High {
		return &valueError{fmt.Sprintf("the range %s is empty", b), "write the lower frequency first, like 2kHz..4kHz"}
	}
	return nil
}

// format writes a number with its unit, never in scientific notation.
func format(v float64, unit string) []byte {
	return append(strconv.AppendFloat(nil, v, 'f', -1, 64), unit...)
}

// parseDuration reads a duration of zero or more, which always has a unit.
func parseDuration(text string) (time.Duration, error) {
	if number.FindString(text) == text && text != "" {
		return 0, &valueError{text + " is a number without a unit", "write " + text + "s if seconds are meant, else ms, m or h"}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, &valueError{fmt.Sprintf("%q is no duration", text), "write a number with its unit, of ms, s, m or h, like 10s or 1m30s"}
	}
	if d < 0 {
		return 0, &valueError{text + " is negative", "write a duration of zero or more, like 10s"}
	}
	return d, nil
}
