package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"resetrig/config"
	"resetrig/models"
	"resetrig/report"
	"resetrig/scenarios"
)

func (a *app) scenariosCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "scenarios [NAME]",
		Short: "The shipped scenarios, or the text of one",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				data, err := scenarios.Read(args[0])
				if err != nil {
					return usage(err)
				}
				_, err = a.out.Write(data)
				return err
			}
			tw := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			for _, name := range scenarios.Names() {
				sc, err := loadScenario(name, nil)
				if err != nil {
					return err
				}
				if asJSON {
					_ = json.NewEncoder(a.out).Encode(map[string]any{
						"scenario": sc.Name, "about": sc.About, "control": sc.Control, "params": sc.Params,
					})
					continue
				}
				fmt.Fprintf(tw, "%s\t%s\n", sc.Name, sc.About)
			}
			return tw.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	return c
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "schema bench|scenario|model|calibration|plan|record",
		Short:     "The JSON Schema of a kind of file, for editors, and of a record",
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: append(config.SchemaKinds(), "record"),
		RunE: func(_ *cobra.Command, args []string) error {
			schema := config.Schema
			if args[0] == "record" {
				schema = func(string) ([]byte, error) { return report.RecordSchema() }
			}
			data, err := schema(args[0])
			if err != nil {
				return usage(err)
			}
			_, err = fmt.Fprintf(a.out, "%s\n", data)
			return err
		},
	}
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "version",
		Short: "The program's version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return json.NewEncoder(a.out).Encode(map[string]any{
					"version": version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "models": models.Names(),
				})
			}
			_, err := fmt.Fprintf(a.out, "resetrig %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return c
}
