// Package testkit is what tests of Sluice share: suites that every store and
// sink has to pass, sources with known records, Azurite, and the runner of
// connectors' case folders.
package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// ListSource serves fixed pages of ids; the page token is the page's number.
type ListSource struct {
	Pages  [][]string
	Before func(page int)                 // called before a page is served
	Fail   func(page int, call int) error // an error to answer with instead
	Asked  []engine.Window                // the windows asked for, in order
	At     func(id string) (time.Time, bool)

	calls int
}

// Fetch implements engine.Source.
func (s *ListSource) Fetch(_ context.Context, w engine.Window, token string) (*engine.Page, error) {
	n, _ := strconv.Atoi(token)
	s.calls++
	s.Asked = append(s.Asked, w)
	if s.Before != nil {
		s.Before(n)
	}
	if s.Fail != nil {
		if err := s.Fail(n, s.calls); err != nil {
			return nil, err
		}
	}
	p := &engine.Page{Records: []byte("[]")}
	if n < len(s.Pages) {
		p.Records = []byte("[\"" + strings.Join(s.Pages[n], "\", \"") + "\"]")
		if len(s.Pages[n]) == 0 {
			p.Records = []byte("[]")
		}
	}
	if n+1 < len(s.Pages) {
		p.Next = strconv.Itoa(n + 1)
	}
	return p, nil
}

// LineMapper maps a JSON string to a row {"id":…}. Strings that begin with "!"
// are filtered, with "#" no objects; "id@2026-…" carries its event time. One with
// a control character in it cannot be read.
type LineMapper struct {
	id      string
	at      time.Time
	hasTime bool
}

// Map implements engine.Mapper.
func (m *LineMapper) Map(src []byte) (int, error) {
	if len(src) == 0 || src[0] != '"' {
		return 0, fmt.Errorf("want a string")
	}
	end := bytes.IndexByte(src[1:], '"')
	if end < 0 {
		return 0, fmt.Errorf("string is not closed")
	}
	m.id = string(src[1 : end+1])
	if strings.ContainsFunc(m.id, unicode.IsControl) {
		return end + 2, fmt.Errorf("control character in a string")
	}
	_, at, _ := strings.Cut(m.id, "@")
	var err error
	m.at, err = time.Parse(time.RFC3339, at)
	m.hasTime = err == nil
	return end + 2, nil
}

// IsObject implements engine.Mapper.
func (m *LineMapper) IsObject() bool { return !strings.HasPrefix(m.id, "#") }

// Rows implements engine.Mapper.
func (m *LineMapper) Rows(to *engine.Rows, s *engine.Stamp) {
	if strings.HasPrefix(m.id, "!") {
		return
	}
	row := to.Begin(0)
	start := len(row)
	row = append(row, `{"id":"`+m.id+`"`...)
	to.End(sentinel.Seal(row, start, s, sentinel.Said{At: m.at, HasTime: m.hasTime}))
}

// ID implements engine.Mapper.
func (m *LineMapper) ID() []byte { return []byte(m.id) }

// EventTime implements engine.Mapper.
func (m *LineMapper) EventTime() (time.Time, bool) { return m.at, m.hasTime }

// Truncated implements engine.Mapper.
func (m *LineMapper) Truncated() bool { return false }

// Forget implements engine.Mapper.
func (m *LineMapper) Forget() {}

// Oddities implements engine.Mapper.
func (m *LineMapper) Oddities() map[string]int64 { return nil }

// Timeline is a source with a record at regular times, in pages by the hour of
// a window; it lists what a window asks for.
type Timeline struct {
	Before func() // called before a page is served

	times []time.Time
}

// NewTimeline returns a Timeline from one time to another.
func NewTimeline(from, to time.Time, every time.Duration) *Timeline {
	t := &Timeline{Before: func() {}}
	for at := from; at.Before(to); at = at.Add(every) {
		t.times = append(t.times, at)
	}
	return t
}

// IDs are those of the records before a time.
func (t *Timeline) IDs(before time.Time) (ids []string) {
	for i, at := range t.times {
		if at.Before(before) {
			ids = append(ids, fmt.Sprintf("%d@%s", i, at.Format(time.RFC3339)))
		}
	}
	return ids
}

// Fetch implements engine.Source. The token is how many records were served.
func (t *Timeline) Fetch(_ context.Context, w engine.Window, token string) (*engine.Page, error) {
	const pageSize = 10
	t.Before()
	done, _ := strconv.Atoi(token)
	ids, n := []string{}, 0
	p := &engine.Page{}
	for i, at := range t.times {
		if at.Before(w.From) || !at.Before(w.To) {
			continue
		}
		if n++; n <= done {
			continue
		}
		if len(ids) == pageSize {
			p.Next = strconv.Itoa(done + pageSize)
			break
		}
		ids = append(ids, fmt.Sprintf("%d@%s", i, at.Format(time.RFC3339)))
	}
	p.Records, _ = json.Marshal(ids)
	return p, nil
}
