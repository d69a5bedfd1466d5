package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Limits of the host for one invocation, where nothing says another (learn.microsoft.com,
// "Azure Functions scale and hosting": function app timeout duration). One without an
// end is taken for the usual one: the next run goes on.
const (
	usualLimit       = 30 * time.Minute
	consumptionLimit = 5 * time.Minute
)

// hostLimit is how long the host lets an invocation run before it kills the process: by
// the setting AzureFunctionsJobHost__functionTimeout, else by host.json at root, else as
// the plan has it. The error names a setting that cannot be read; then the plan's counts.
func hostLimit(root string, environ []string) (time.Duration, error) {
	env := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		env[strings.ToUpper(name)] = value // .NET's configuration does not tell case
	}
	limit := usualLimit
	// Azure/azure-functions-host, EnvironmentExtensions: Consumption on Windows, on Linux.
	if strings.EqualFold(env["WEBSITE_SKU"], "Dynamic") ||
		env["CONTAINER_NAME"] != "" && env["WEBSITE_INSTANCE_ID"] == "" && env["LEGION_SERVICE_HOST"] == "" && env["WEBSITE_SKU"] == "" {
		limit = consumptionLimit
	}
	where, text := "AzureFunctionsJobHost__functionTimeout", env["AZUREFUNCTIONSJOBHOST__FUNCTIONTIMEOUT"]
	if text == "" {
		var host struct{ FunctionTimeout string }
		if data, err := os.ReadFile(filepath.Join(root, "host.json")); err == nil {
			_ = json.Unmarshal(data, &host) // which the host has read before
		}
		where, text = "functionTimeout in host.json", host.FunctionTimeout
	}
	if text == "" {
		return limit, nil
	}
	d, ok := timeSpan(text)
	switch {
	case !ok:
		return limit, fmt.Errorf("%s is %q, want hours, minutes and seconds such as 00:10:00; %s is taken", where, text, limit)
	case d <= 0: // -1: no end
		return usualLimit, nil
	}
	return d, nil
}

// span is .NET's TimeSpan: [-][days.]hours:minutes[:seconds[.fraction]], or days alone.
var span = regexp.MustCompile(`^(-)?(?:(\d+)\.)?(\d+):(\d+)(?::(\d+)(?:\.\d+)?)?$|^(-)?(\d+)$`)

// timeSpan reads a length of time as .NET writes it; more hours than a day has are days,
// as .NET reads them.
func timeSpan(text string) (time.Duration, bool) {
	m := span.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return 0, false
	}
	number := func(i int) time.Duration {
		n, _ := strconv.ParseInt(m[i], 10, 32)
		return time.Duration(n)
	}
	const day = 24 * time.Hour
	d := number(2)*day + number(3)*time.Hour + number(4)*time.Minute + number(5)*time.Second + number(7)*day
	if m[2] == "" && number(3) > 23 {
		d = number(3)*day + number(4)*time.Hour + number(5)*time.Minute
	}
	if m[1]+m[6] != "" {
		d = -d
	}
	return d, true
}

// killMargin is how long before the host's limit the last call of a run ends.
func killMargin(limit time.Duration) time.Duration { return min(10*time.Second, limit/6) }

// runBudget is when a run begins no further page: at 80 % of the host's limit, or less
// where that is short, for a run may go on for half a minute when a provider hangs.
func runBudget(limit time.Duration) time.Duration {
	return max(min(limit*8/10, limit-45*time.Second), limit/4)
}
