// Judges CustomResourceDefinitions and objects with the API server's own code: schema, defaults, CEL and its cost.
//
// Reads {"definitions": [CRD...], "cases": [{"object": ..., "old": ...}...]} from standard input and writes
// {"definitions": [[error...]...], "cases": [{"errors": [...], "unknown": [...], "object": ...}...]}.
// An object that has an old version is judged as an update of it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	definitions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	objects "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	numbers "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	limits "k8s.io/apiserver/pkg/apis/cel"
)

type testCase struct {
	Object json.RawMessage `json:"object"`
	Old    json.RawMessage `json:"old"`
}

type verdict struct {
	Errors  []string       `json:"errors"`
	Unknown []string       `json:"unknown"`
	Object  map[string]any `json:"object"`
}

func main() {
	var input struct {
		Definitions []json.RawMessage `json:"definitions"`
		Cases       []testCase        `json:"cases"`
	}
	text, err := io.ReadAll(os.Stdin)
	must(err)
	must(json.Unmarshal(text, &input))
	scheme := runtime.NewScheme()
	install.Install(scheme)
	versions := map[string]apiextensions.JSONSchemaProps{}
	output := struct {
		Definitions [][]string `json:"definitions"`
		Cases       []verdict  `json:"cases"`
	}{[][]string{}, []verdict{}}
	for _, raw := range input.Definitions {
		definition := decode(scheme, raw)
		output.Definitions = append(output.Definitions,
			texts(definitions.ValidateCustomResourceDefinition(context.Background(), definition)))
		for _, version := range definition.Spec.Versions {
			schema := version.Schema
			if schema == nil {
				schema = definition.Spec.Validation
			}
			key := fmt.Sprintf("%s/%s/%s", definition.Spec.Group, version.Name, definition.Spec.Names.Kind)
			versions[key] = *schema.OpenAPIV3Schema
		}
	}
	for _, one := range input.Cases {
		object := content(one.Object)
		key := fmt.Sprintf("%v/%v", object["apiVersion"], object["kind"])
		schema, known := versions[key]
		if !known {
			output.Cases = append(output.Cases, verdict{Errors: []string{"no definition of " + key}})
			continue
		}
		output.Cases = append(output.Cases, judge(schema, object, content(one.Old)))
	}
	must(json.NewEncoder(os.Stdout).Encode(output))
}

// The API server's defaults are filled in, as on a create.
func decode(scheme *runtime.Scheme, raw json.RawMessage) *apiextensions.CustomResourceDefinition {
	var external apiextensionsv1.CustomResourceDefinition
	must(json.Unmarshal(raw, &external))
	scheme.Default(&external)
	var internal apiextensions.CustomResourceDefinition
	must(scheme.Convert(&external, &internal, nil))
	// The strategy of the API server's registry sets this before it validates.
	for _, version := range internal.Spec.Versions {
		if version.Storage {
			internal.Status.StoredVersions = []string{version.Name}
		}
	}
	return &internal
}

// Whole numbers stay whole, as in the API server. Nothing and null give nil.
func content(raw json.RawMessage) map[string]any {
	var object map[string]any
	if raw != nil {
		must(numbers.Unmarshal(raw, &object))
	}
	return object
}

// In the API server's order: unknown fields, defaults, schema, rules.
func judge(schema apiextensions.JSONSchemaProps, object, old map[string]any) verdict {
	shape, err := structural.NewStructural(&schema)
	must(err)
	options := structural.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	unknown := pruning.PruneWithOptions(object, shape, true, options)
	defaulting.Default(object, shape)
	validator, _, err := objects.NewSchemaValidator(&schema)
	must(err)
	var before any
	errors := objects.ValidateCustomResource(nil, object, validator)
	if old != nil {
		before = old
		errors = objects.ValidateCustomResourceUpdate(nil, object, old, validator)
	}
	rules := cel.NewValidator(shape, true, limits.PerCallLimit)
	broken, _ := rules.Validate(context.Background(), nil, shape, object, before, limits.RuntimeCELCostBudget)
	return verdict{texts(append(errors, broken...)), append([]string{}, unknown...), object}
}

func texts(errors field.ErrorList) []string {
	found := []string{}
	for _, one := range errors {
		found = append(found, one.Error())
	}
	return found
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "crd-check:", err)
		os.Exit(2)
	}
}
