package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/scan"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// job is work at the provider that is started, waited for, and whose parts are
// downloaded. In the place (see steps.go) it is the first level: its token is the
// job's name, its items are the parts. The name is committed before anything is
// waited for, so that a run that comes later finds the job again.
type job struct {
	*Source
	d                      *spec.Job
	create, status, delete *listing
	name                   string // of the job whose parts are loaded
}

func newJob(r *Source, d *spec.Job, list *listing) *job {
	ask := func(req *spec.Request) *listing { return r.single(req, list.rules) }
	j := &job{Source: r, d: d, create: ask(list.req), status: ask(&d.Status)}
	if d.Delete != nil {
		j.delete = ask(d.Delete)
	}
	return j
}

// step brings the job on. It returns a page when that is all for now, nil when the
// parts are loaded.
func (j *job) step(ctx context.Context, sc *scope, place []frame) (*engine.Page, error) {
	f := &place[0]
	name, err := j.secrets.Unmask(f.Token)
	switch {
	case err != nil:
		return nil, err
	case f.Token == "":
		return j.start(ctx, sc)
	case f.Done:
		j.tidy(ctx, sc, name)
		return &engine.Page{}, nil
	case j.name == name && j.loaded[0] != nil:
		return nil, nil
	}
	return nil, j.poll(ctx, sc, name, f)
}

func (j *job) start(ctx context.Context, sc *scope) (*engine.Page, error) {
	resp, body, err := j.ask(ctx, j.create, sc)
	if err != nil {
		return nil, err
	}
	name, err := scan.TextAt(body, j.d.ID)
	if err == nil && noName(name) {
		err = fmt.Errorf("the response has no name at %s", j.d.ID)
	}
	if err != nil {
		return nil, j.unexpected(resp, err)
	}
	next := placeToken([]frame{{Token: j.secrets.Mask(name), Since: j.opt.Now().Unix()}})
	return &engine.Page{Next: next, Commit: true}, nil
}

// unexpected is the error of an answer that lacks what the job cannot go on without.
func (j *job) unexpected(resp *http.Response, err error) error {
	return j.fail(engine.Transient, "unexpected_answer", "the API may have changed", fmt.Errorf("%s answered %d: %w", j.base.Host, resp.StatusCode, err), 0)
}

// ask makes a request of the job.
func (j *job) ask(ctx context.Context, l *listing, sc *scope) (*http.Response, []byte, error) {
	resp, body, err := l.exchange(ctx, sc, "")
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		_, err := l.answered(resp, body, j.errs.Status(resp, body, l != j.create))
		if err == nil { // ignored by a rule
			err = j.fail(engine.Permanent, "bad_request", "", fmt.Errorf("%s answered %d", j.base.Host, resp.StatusCode), 0)
		}
		return nil, nil, err
	}
	if l == j.delete {
		return resp, body, nil
	}
	content, err := l.decode(resp, body)
	if err != nil {
		return nil, nil, err
	}
	if !scan.Valid(content.JSON) {
		return nil, nil, j.fail(engine.Transient, "malformed_page", "", errors.New("the job's answer is not one JSON value"), 0)
	}
	return resp, content.JSON, nil
}

// poll asks how the job is, and loads its parts when it is done.
func (j *job) poll(ctx context.Context, sc *scope, name string, f *frame) error {
	sc = sc.with("job", name)
	if age := j.opt.Now().Sub(time.Unix(f.Since, 0)); age > time.Duration(j.d.Timeout) {
		return j.over(ctx, sc, name, fmt.Errorf("it has been running for %s", age.Round(time.Minute)))
	}
	resp, body, err := j.ask(ctx, j.status, sc)
	if err != nil {
		return err
	}
	status := ""
	if j.d.At != "" {
		if status, err = scan.TextAt(body, j.d.At); err == nil && noName(status) {
			err = fmt.Errorf("the response has no status at %s", j.d.At)
		}
		if err != nil {
			return j.unexpected(resp, err)
		}
	}
	switch {
	case slices.Contains(j.d.Failed, status):
		return j.over(ctx, sc, name, fmt.Errorf("its status is %s", j.foreign(status, 60)))
	case j.d.At == "" && resp.StatusCode == http.StatusAccepted, j.d.At != "" && !slices.Contains(j.d.Done, status):
		return j.fail(engine.Throttled, engine.JobRunning, "", errors.New("the provider's job is still running"), time.Duration(j.d.Every))
	}
	if n := j.lost(body); n > 0 {
		return j.over(ctx, sc, name, fmt.Errorf("%d of its parts have failed", n))
	}
	l := &loaded{items: []json.RawMessage{[]byte("0")}}
	if j.d.Parts != "" {
		if l.items, err = j.partsIn(body); err != nil {
			return err
		}
		if slices.ContainsFunc(l.items, func(item json.RawMessage) bool { return noName(scan.PlainText(item)) }) {
			return j.unexpected(resp, fmt.Errorf("a part at %s has no name", j.d.Parts))
		}
	}
	l.sum = digestOf(l.items)
	j.loaded[0], j.name, j.ahead = l, name, nil
	return nil
}

// lost counts the parts of a job that will not come although it is done.
func (j *job) lost(body []byte) (n int) {
	for _, path := range j.d.Lost {
		parsedPath(path).Select(body, func(start, end int) {
			parts, _, _ := elements(body[start:end], false) // which is valid
			if body[start] == '[' {
				n += len(parts)
			}
		})
	}
	return n
}

func (j *job) partsIn(body []byte) (parts []json.RawMessage, err error) {
	place := scan.Place{Path: parsedPath(j.d.Parts), Plain: true}
	err = place.Lists(body, scan.Space(body, 0), func(start, end int) {
		items, _, _ := elements(body[start:end], false) // which is valid
		parts = append(parts, items...)
	})
	if err != nil {
		return nil, j.status.unfit(err, body)
	}
	return parts, nil
}

// inside is the scope of a part's download.
func (j *job) inside(sc *scope, item int) *scope {
	part := scan.PlainText(sc.item)
	if c := sc.item[0]; c == '{' || c == '[' {
		part = strconv.Itoa(item)
	}
	sc.item = nil
	return sc.with("job", j.name).with("part", part)
}

// finished leads from the last part to tidying up, where that is to be done.
func (j *job) finished(place []frame) *engine.Page {
	if j.delete == nil {
		return &engine.Page{}
	}
	return &engine.Page{Next: placeToken([]frame{{Token: place[0].Token, Done: true}})}
}

// over gives a job up. Another is started, as after a page token that has expired.
func (j *job) over(ctx context.Context, sc *scope, name string, cause error) error {
	j.tidy(ctx, sc, name)
	return fmt.Errorf("%w: %w", engine.ErrTokenExpired, j.fail(engine.Transient, "job_failed", "", fmt.Errorf("the provider's job is given up: %w", cause), 0))
}

// tidy deletes a job at the provider. That it is there a while longer does no harm.
func (j *job) tidy(ctx context.Context, sc *scope, name string) {
	j.name, j.loaded[0] = "", nil
	if j.delete != nil {
		_, _, _ = j.ask(ctx, j.delete, sc.with("job", name))
	}
}
