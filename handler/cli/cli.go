// Package cli is the commands: their flags, what they print, and the codes that they end
// with. A file of it is a command.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/handler/app"
	"github.com/sluice-connectors/sluice/handler/nearest"
)

// Exit codes: 1 for an error, 2 for a wrong call, 3 when a run did not catch up.
const (
	exitError  = 1
	exitUsage  = 2
	exitBehind = 3
)

// codeError is an error that ends the program with a code of its own.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string { return e.err.Error() }
func (e *codeError) Unwrap() error { return e.err }

// Run is the program, and returns the code that it ends with.
func Run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	app.LimitMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once

	root := newRoot(&stdio{stdin, stdout, stderr})
	if len(args) == 0 && os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT") != "" {
		args = []string{"serve"}
	}
	root.SetArgs(args)
	err := knownCommand(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return 0
	}
	var ce *codeError
	var unknown *app.NoConnectionError
	switch {
	case errors.As(err, &ce):
	case errors.As(err, &unknown):
		ce = &codeError{exitUsage, err}
	default:
		ce = &codeError{exitError, err}
		if flags, ok := strings.CutPrefix(err.Error(), "required flag(s) "); ok {
			ce = &codeError{exitUsage, fmt.Errorf("give %s", strings.NewReplacer(`", "`, ", --", `"`, "").Replace(`--`+strings.TrimSuffix(flags, " not set")))}
		}
	}
	fmt.Fprintln(stderr, "sluice:", ce)
	return ce.code
}

// stdio is what a command reads from and writes to.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

func newRoot(std *stdio) *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Bring security data into Microsoft Sentinel",
		Long: `Sluice polls the REST APIs of security products, keeps its position, normalizes
each record and sends rows to the tables of a Log Analytics workspace.

Try it without any account:

  sluice up                              # collects from a demo provider into a workspace on this machine
  sluice poll okta --set domain=contoso.okta.com --from -1h   # look at rows; OKTA_API_TOKEN holds the token
  sluice run --config sluice.yaml        # one pass, for cron and Kubernetes jobs`,
		Version:       app.Version(),
		SilenceErrors: true, SilenceUsage: true,
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError("%s; %s --help tells more", strings.Replace(err.Error(), "time: missing unit in duration", "a time has a unit, such as 90s, 5m or 2h:", 1), cmd.CommandPath())
	})
	logFlags(root)
	root.AddCommand(
		upCommand(std), runCommand(std), pollCommand(std), serveCommand(std), validateCommand(std), schemaCommand(std),
		connectorsCommand(std), statusCommand(std), workspaceCommand(std), transformCommand(std), quarantineCommand(std), stateCommand(std), backfillCommand(std), reconcileCommand(std),
		newCommand(std), modelCommand(std), testCommand(std), recordCommand(std), loginCommand(std),
		deployCommand(std), doctorCommand(std), verifyCommand(std), versionCommand(std),
	)
	completeNames(root)
	return root
}

// knownCommand is an error for a command that there is not: of one below another
// cobra prints the other's help, and says that all is well.
func knownCommand(root *cobra.Command, args []string) error {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	cmd, rest, _ := root.Find(args)
	if !cmd.HasSubCommands() || len(rest) == 0 || strings.HasPrefix(rest[0], "-") || strings.HasPrefix(rest[0], cobra.ShellCompRequestCmd) {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	return usageError("there is no command %q%s; %s --help lists them", strings.TrimPrefix(cmd.CommandPath()+" "+rest[0], "sluice "), nearest.Hint(rest[0], names), cmd.CommandPath())
}

// usageError is a call that cannot be right.
func usageError(format string, args ...any) error {
	return &codeError{exitUsage, fmt.Errorf(format, args...)}
}
