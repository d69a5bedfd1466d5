// Package logsquery reads back what a Log Analytics workspace has, through its
// query API: which events of a connection are in a table.
//
// An answer has a limit, of rows and of bytes; a window that has more is asked for in
// halves.
package logsquery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/sentinel"
)

// Client reads the tables of one workspace.
type Client struct {
	pipeline runtime.Pipeline
	url      string
}

var _ engine.Arrivals = (*Client)(nil)

// New returns the client for a workspace (its GUID), at an endpoint that is
// https:// or http:// to this machine.
func New(endpoint, workspace string, cred azcore.TokenCredential) (*Client, error) {
	u, err := url.Parse(strings.TrimSuffix(endpoint, "/"))
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("query endpoint %q is no URL", endpoint)
	}
	auth := runtime.NewBearerTokenPolicy(cred, []string{u.Scheme + "://" + u.Host + "/.default"},
		&policy.BearerTokenOptions{InsecureAllowCredentialWithHTTP: u.Scheme == "http"})
	return &Client{
		pipeline: runtime.NewPipeline("sluice", "1", runtime.PipelineOptions{PerRetry: []policy.Policy{auth}}, nil),
		url:      u.String() + "/v1/workspaces/" + url.PathEscape(workspace) + "/query",
	}, nil
}

// Events implements engine.Arrivals.
func (c *Client) Events(ctx context.Context, table, connection string, w engine.Window) (map[string]int, error) {
	// TimeGenerated of a late row is when it was delivered, EventTime when it happened.
	query := fmt.Sprintf("%s | where TimeGenerated >= %s and Connection == %s | extend At = coalesce(EventTime, TimeGenerated) | where At >= %s and At < %s | summarize Rows = count() by EventUid",
		table, literal(w.From.Add(-24*time.Hour)), text(connection), literal(w.From), literal(w.To))
	rows, err := c.rows(ctx, query)
	if errors.Is(err, errTooMany) && w.To.Sub(w.From) > time.Second {
		mid := w.From.Add(w.To.Sub(w.From) / 2).Truncate(time.Millisecond)
		first, err := c.Events(ctx, table, connection, engine.Window{From: w.From, To: mid})
		if err != nil {
			return nil, err
		}
		second, err := c.Events(ctx, table, connection, engine.Window{From: mid, To: w.To})
		for uid, n := range first {
			second[uid] += n
		}
		return second, err
	}
	if err != nil {
		return nil, err
	}
	events := make(map[string]int, len(rows))
	for _, row := range rows {
		var uid string
		var n int
		if len(row) != 2 || json.Unmarshal(row[0], &uid) != nil || json.Unmarshal(row[1], &n) != nil {
			return nil, fmt.Errorf("read %s: unexpected row %s", table, row)
		}
		events[uid] += n
	}
	return events, nil
}

// Have implements engine.Arrivals.
func (c *Client) Have(ctx context.Context, table, connection string, uids []string) (map[string]bool, error) {
	const atOnce = 500
	have := map[string]bool{}
	for len(uids) > 0 {
		part := uids[:min(len(uids), atOnce)]
		uids = uids[len(part):]
		var list []string
		for _, uid := range part {
			list = append(list, text(uid))
		}
		rows, err := c.rows(ctx, fmt.Sprintf("%s | where Connection == %s and EventUid in (%s) | distinct EventUid", table, text(connection), strings.Join(list, ", ")))
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			var uid string
			if len(row) == 1 && json.Unmarshal(row[0], &uid) == nil {
				have[uid] = true
			}
		}
	}
	return have, nil
}

func literal(t time.Time) string {
	return "datetime(" + t.UTC().Format("2006-01-02T15:04:05.9999999Z") + ")"
}

// text is a KQL string literal.
func text(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// errTooMany: the answer has more rows than the API returns.
var errTooMany = errors.New("the answer is too large")

// rows runs a query and returns the rows of its first table.
func (c *Client) rows(ctx context.Context, query string) ([][]json.RawMessage, error) {
	res, err := c.Query(ctx, query)
	return res.Rows, err
}

// Result is the answer to a query: its columns, with KQL's types, and its rows in
// their order.
type Result struct {
	Columns []struct{ Name, Type string }
	Rows    [][]json.RawMessage
}

// Query runs a query and returns its first table.
func (c *Client) Query(ctx context.Context, query string) (Result, error) {
	req, err := runtime.NewRequest(ctx, http.MethodPost, c.url)
	if err != nil {
		return Result{}, err
	}
	req.Raw().Header.Set("Prefer", "wait=600")
	if err := runtime.MarshalAsJSON(req, map[string]string{"query": query}); err != nil {
		return Result{}, err
	}
	resp, err := c.pipeline.Do(req)
	if err != nil {
		return Result{}, &engine.Error{Kind: engine.Transient, Op: "query the workspace", Reason: "query_unreachable",
			Hint: "check workspace: query:, the identity and the network", Err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Result{}, err
	}
	var out struct {
		Tables []Result
		Error  *struct{ Code, Message string }
	}
	if err := json.Unmarshal(body, &out); err != nil {
		out.Error = nil
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		return Result{}, refused(resp.StatusCode, out.Error)
	case out.Error != nil || len(out.Tables) == 0 || len(out.Tables[0].Rows) >= sentinel.MaxAnswer: // 200 with PartialError
		return Result{}, errTooMany
	}
	return out.Tables[0], nil
}

// refused explains an answer that is no success.
func refused(status int, detail *struct{ Code, Message string }) error {
	e := &engine.Error{Kind: engine.Permanent, Op: "query the workspace", Reason: "query_failed", Err: fmt.Errorf("%d %s", status, http.StatusText(status))}
	if detail != nil {
		e.Err = fmt.Errorf("%w: %s", e.Err, detail.Message)
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Kind, e.Hint = engine.Auth, "give the identity the role Log Analytics Reader on the workspace"
	case http.StatusNotFound:
		e.Hint = "check workspace: id:, which is the workspace's GUID"
	}
	return e
}
