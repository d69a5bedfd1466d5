package sentinel

import (
	"encoding/json"
	"time"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// HealthTable has a row for each stream and run.
const HealthTable = "SluiceHealth_CL"

// HealthColumns is its schema.
var HealthColumns = []Column{
	{"TimeGenerated", "datetime", "When the run ended."},
	{"SluiceConnection", "string", "The connection."},
	{"Connector", "string", "The connector it belongs to."},
	{"Stream", "string", "The stream."},
	{"Outcome", "string", "ok, partial, stalled or failed; skipped when another run has held the stream for long."},
	{"Reason", "string", "A code for what was wrong; handler/engine/README.md has what each means."},
	{"Message", "string", "What was wrong, and what to do."},
	{"Fetched", "long", "Records fetched for the first time; they are acknowledged, filtered or quarantined."},
	{"Acknowledged", "long", "Rows that the service acknowledged."},
	{"Filtered", "long", "Records that a filter of the connector dropped."},
	{"Quarantined", "long", "Records that could not be delivered and are kept."},
	{"Repeated", "long", "Records that were listed again and known already."},
	{"Truncated", "long", "Rows sent with a text cut to the service's limit."},
	{"Unfit", "dynamic", "What of the records did not fit, and how often: by column the values that became null, TimeGenerated (no time), (repeated member) and (invalid text)."},
	{"Late", "dynamic", "Records that were listed only after their time had been passed, by how late they were at most: 1m, 5m, 15m, 1h, 6h, 1d, longer. Near the stream's overlap it is time to reconcile, and to declare a longer one."},
	{"Gaps", "dynamic", "Parts of the past that are still being caught up in lanes of their own."},
	{"Pages", "long", "Pages committed."},
	{"BacklogSeconds", "long", "How far the position is behind now."},
	{"Position", "datetime", "Every record before this time has been dealt with, but for those in Gaps."},
	{"LastEventTime", "datetime", "The newest record so far."},
	{"StalledRuns", "long", "Runs in a row without progress; 2 and more need a person."},
	{"DurationMs", "long", "How long the run took."},
	{"Version", "string", "The version of Sluice."},
}

// Health implements engine.Notices.
func (w Workspace) Health(rep *engine.Report, now time.Time) engine.Batch {
	if w.NoHealth {
		return engine.Batch{}
	}
	row := map[string]any{
		"TimeGenerated": now, "SluiceConnection": rep.Connection, "Connector": rep.Connector, "Stream": rep.Stream,
		"Outcome": rep.Outcome, "Reason": rep.Reason, "Message": rep.Message,
		"Fetched": rep.Counts.Fetched, "Acknowledged": rep.Counts.Acknowledged, "Filtered": rep.Counts.Filtered,
		"Quarantined": rep.Counts.Quarantined, "Repeated": rep.Counts.Repeated, "Truncated": rep.Counts.Truncated,
		"Pages": rep.Pages, "BacklogSeconds": int64(rep.Backlog.Seconds()),
		"StalledRuns": rep.Stalled, "DurationMs": rep.Duration.Milliseconds(), "Version": rep.Version,
	}
	if !rep.Position.IsZero() {
		row["Position"] = rep.Position
	}
	if len(rep.Unfit) > 0 {
		row["Unfit"] = rep.Unfit
	}
	if len(rep.Late) > 0 {
		row["Late"] = rep.Late
	}
	if len(rep.Gaps) > 0 {
		row["Gaps"] = rep.Gaps
	}
	if !rep.LastEvent.IsZero() {
		row["LastEventTime"] = rep.LastEvent
	}
	text, _ := json.Marshal(row)
	return batch(HealthTable, text)
}
