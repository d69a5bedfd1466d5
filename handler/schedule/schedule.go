// Package schedule reads NCRONTAB, the schedules of timers of Azure Functions.
package schedule

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netresearch/go-cron"
)

// Schedule is a parsed NCRONTAB expression.
type Schedule struct{ s cron.Schedule }

// NCRONTAB has seconds in front, which may be left out, and combines day of
// month and day of week with AND.
var parser = cron.MustNewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// The host knows no more than this: no ? or L, no @daily, no TZ=.
var field = regexp.MustCompile(`(?i)^([0-9*,/-]|` + strings.Join(names, "|") + `)+$`)

var names = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// The host turns a range around that goes down, where others go over midnight, and
// its Sunday is 0 only.
var (
	ranges  = regexp.MustCompile(`([0-9A-Za-z]+)-([0-9A-Za-z]+)`)
	seventh = regexp.MustCompile(`(^|[,-])7`)
)

// value orders the ends of a range: numbers, or names of one kind.
func value(end string) int {
	if n, err := strconv.Atoi(end); err == nil {
		return n
	}
	return slices.Index(names, strings.ToLower(end))
}

// Parse reads "second minute hour day month weekday", in UTC. A schedule that never
// comes is an error, and so is one that does not come for years.
func Parse(expr string) (Schedule, error) {
	const form = "want NCRONTAB: second minute hour day month weekday, such as 0 */5 * * * *"
	fields := strings.Fields(expr)
	if len(fields) != 5 && len(fields) != 6 {
		return Schedule{}, fmt.Errorf("schedule %q has %d fields, want six: second minute hour day month weekday, such as 0 */5 * * * *", expr, len(fields))
	}
	for i, f := range fields {
		if !field.MatchString(f) || i == len(fields)-1 && seventh.MatchString(f) {
			return Schedule{}, fmt.Errorf("schedule %q: %s is no field; %s", expr, f, form)
		}
		for _, r := range ranges.FindAllStringSubmatch(f, -1) {
			if value(r[1]) > value(r[2]) {
				return Schedule{}, fmt.Errorf("schedule %q: the range %s goes down: write two with a comma", expr, r[0])
			}
		}
	}
	s, err := parser.Parse(expr)
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %q: %w; %s", expr, err, form)
	}
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Schedule{}, fmt.Errorf("schedule %q never comes: no month has such a day, or not for years; %s", expr, form)
	}
	return Schedule{s}, nil
}

// Next is the first time after t.
func (s Schedule) Next(t time.Time) time.Time { return s.s.Next(t.UTC()) }
