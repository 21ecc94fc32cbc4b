package core

import "time"

// A Date is a day of the calendar, in UTC. The zero value is none.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseDate reads a date such as 2027-03-01.
func ParseDate(text string) (Date, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return Date{}, err
	}
	return Date{t.Year(), t.Month(), t.Day()}, nil
}

// Start is the first instant of the day.
func (d Date) Start() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

// Over reports whether the day is over.
func (d Date) Over(now time.Time) bool { return !now.Before(d.Start().AddDate(0, 0, 1)) }

// String writes the date as plans do.
func (d Date) String() string { return d.Start().Format(time.DateOnly) }

// MarshalText writes the date as plans do.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
