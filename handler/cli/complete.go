package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-connectors/sluice/connectors"
	"github.com/sluice-connectors/sluice/handler/app"
)

// completion offers what a word of a command line can be.
type completion = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective)

// completeNames has shells complete names of connectors, connections, streams and tables,
// wherever a command's usage or a flag asks for one. `sluice completion bash --help` says
// how to switch it on.
func completeNames(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		completeNames(c)
	}
	_, wants, _ := strings.Cut(cmd.Use, " ")
	for _, arg := range []struct {
		text  string
		names completion
	}{{"CONNECTION/STREAM", names(streamKeys)}, {"[CONNECTION[/STREAM]]", names(streamKeys)}, {"CONNECTION", names(connections)}, {"CONNECTOR", names(connectorNames)}} {
		if cmd.ValidArgsFunction == nil && strings.HasPrefix(wants, arg.text) {
			cmd.ValidArgsFunction = first(arg.names)
		}
	}
	for flag, list := range map[string]func(*cobra.Command, []string) []string{"connector": deployable, "connection": connections, "stream": streamNames, "table": tables} {
		if cmd.Flags().Lookup(flag) != nil {
			_ = cmd.RegisterFlagCompletionFunc(flag, names(list)) // the flag is there
		}
	}
}

// names offers those of a list that begin as the word does.
func names(list func(cmd *cobra.Command, args []string) []string) completion {
	return func(cmd *cobra.Command, args []string, begun string) (found []string, _ cobra.ShellCompDirective) {
		for _, name := range list(cmd, args) {
			if strings.HasPrefix(name, begun) && !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
		if strings.ContainsAny(begun, `./\`) && len(found) == 0 {
			return nil, cobra.ShellCompDirectiveDefault // the path of a connector of one's own
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// first completes the first argument, and leaves the others to the shell.
func first(c completion) completion {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return c(cmd, args, begun)
	}
}

func connectorNames(*cobra.Command, []string) []string { return known().Names() }

// deployable are the connectors that templates know: the built-in ones.
func deployable(*cobra.Command, []string) []string { return new(connectors.Set).Names() }

// configuredStreams calls f for each stream of the configuration that the command would
// read; what is wrong in that is no matter here.
func configuredStreams(cmd *cobra.Command, f func(connection, stream, table string)) {
	path := ""
	if flag := cmd.Flags().Lookup("config"); flag != nil {
		path = flag.Value.String()
	}
	c, err := app.Load(app.ConfigPath(path), nil)
	if err != nil {
		return
	}
	for i := range c.Connections {
		for _, s := range c.Connections[i].Streams() {
			f(c.Connections[i].Name, s.Name, s.Table)
		}
	}
	for i := range c.Broken {
		if c.Broken[i].Connector != "" { // else it may be a folder
			f(c.Broken[i].Name, "", "")
		}
	}
}

func connections(cmd *cobra.Command, _ []string) (list []string) {
	configuredStreams(cmd, func(connection, _, _ string) { list = append(list, connection) })
	return list
}

func streamKeys(cmd *cobra.Command, _ []string) (list []string) {
	configuredStreams(cmd, func(connection, stream, _ string) {
		if stream != "" {
			list = append(list, connection+"/"+stream)
		}
	})
	return list
}

func tables(cmd *cobra.Command, _ []string) (list []string) {
	configuredStreams(cmd, func(_, _, table string) {
		if table != "" {
			list = append(list, table)
		}
	})
	return list
}

// streamNames are those of the connector or connection that the command is given.
func streamNames(cmd *cobra.Command, args []string) (list []string) {
	if len(args) == 0 {
		return nil
	}
	if c, err := known().Find(args[0]); err == nil {
		for _, s := range c.Streams {
			list = append(list, s.Name)
		}
		return list
	}
	configuredStreams(cmd, func(connection, stream, _ string) {
		if connection == args[0] {
			list = append(list, stream)
		}
	})
	return list
}
