package spec

import (
	"fmt"
	"strings"
	"time"
)

// exact checks that a request says both ends of a window so exactly that the provider
// can tell apart what granularity tells apart: else what lies between is asked for
// again and again, or never. Several formats may say it together, such as a date here
// and a time there.
func (v *validator) exact(l *listing, path string) {
	granularity := time.Duration(l.position.Granularity)
	if l.position.Type != "window" {
		granularity = day // these reach back by more than a day; a time it has to be all the same
	}
	if granularity <= 0 {
		return // said elsewhere
	}
	for _, end := range []string{"window.from", "window.to"} {
		var formats []func(time.Time) string
		var names, places []string
		l.eachText(path, func(at, text string) {
			for _, m := range Placeholder.FindAllStringSubmatch(text, -1) {
				if f, err := TimeFormat(m[2]); m[1] == end && err == nil {
					formats, names, places = append(formats, f), append(names, or(m[2], "rfc3339_ms")), append(places, at)
				}
			}
		})
		if len(formats) == 0 {
			continue
		}
		if a, b, found := alike(formats, granularity); found {
			const stamp = "2006-01-02T15:04:05.999999999Z"
			v.errorf(places[0], "{%s:%s} writes %s and %s alike: %s", end, strings.Join(names, " and "), a.Format(stamp), b.Format(stamp), remedy(formats, names[0], granularity))
		}
	}
}

// asksForWindow checks that a stream of windows asks for them: else each would list
// everything there is.
func (v *validator) asksForWindow(s *Stream, path string) {
	lists := []listing{{request: &s.Request, paging: &s.Paging}}
	for i := range s.Steps {
		lists = append(lists, listing{request: &s.Steps[i].Request, paging: &s.Steps[i].Paging})
	}
	if j := s.Job; j != nil {
		lists = append(lists, listing{request: &j.Download, paging: &s.Paging})
	}
	asks := s.Position.Type != "window"
	for _, l := range lists {
		l.eachText("", func(_, text string) { asks = asks || strings.Contains(text, "{window.from") })
	}
	if !asks {
		v.errorf(path+".request", "a position of type window has to ask for it: say where {window.from} goes, or write type: snapshot for a list that is read whole")
	}
}

// eachText calls f with every text of the requests for pages.
func (l *listing) eachText(path string, f func(path, text string)) {
	r, p := l.request, l.paging
	for _, part := range []struct {
		path string
		x    any
	}{{"request.path", r.Path}, {"request.url", r.URL}, {"request.query", r.Query}, {"request.headers", r.Headers}, {"request.body", r.Body},
		{"paging.first", p.First}, {"paging.next", p.Next}, {"paging.query", p.Query}, {"paging.headers", p.Headers}, {"paging.body", p.Body}} {
		eachText(join(path, part.path), part.x, f)
	}
}

const day = 24 * time.Hour

// remedy says what to write instead of formats that are not exact enough.
func remedy(formats []func(time.Time) string, name string, granularity time.Duration) string {
	better := "yyyy-MM-dd HH:mm:ss.fffffff"
	for _, n := range []string{"rfc3339", "rfc3339_ms", "rfc3339_us", "rfc3339_ns", "unix", "unix_ms", "unix_us", "unix_ns"} {
		if strings.HasPrefix(n, "unix") != strings.HasPrefix(name, "unix") {
			continue
		}
		if _, _, found := alike([]func(time.Time) string{timeFormats[n]}, granularity); !found {
			better = n
			break
		}
	}
	for _, g := range []time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour, day} {
		if _, _, found := alike(formats, g); !found {
			return fmt.Sprintf("granularity is %s, and the format tells %s apart. Write granularity: %s if that is what the provider goes by, else a format that says more, such as %s",
				Duration(granularity), Duration(g), Duration(g), better)
		}
	}
	return "it cannot be read back. Write a format that says all of a time, such as yyyy-MM-dd HH:mm:ss or " + better
}
