/* control/ctl/schema.c - what answers are made of, as a JSON schema (draft 2020-12). */
#include "control/ctl/ctl.h"

static json_t *type_of(const struct admin_field *f)
{
	static const char *const name[] = {[ADMIN_INTEGER] = "integer",
					   [ADMIN_NUMBER] = "number",
					   [ADMIN_STRING] = "string",
					   [ADMIN_BOOLEAN] = "boolean"};

	if (f->type == ADMIN_STRINGS || f->type == ADMIN_COUNTS)
		return json_string(f->type == ADMIN_STRINGS ? "array" : "object");
	return f->nullable ? json_pack("[s, s]", name[f->type], "null")
			   : json_string(name[f->type]);
}

static const char *unit_of(const struct admin_field *f)
{
	static const char *const name[] = {[ADMIN_BYTES] = "bytes",
					   [ADMIN_UNIX] = "seconds since 1970",
					   [ADMIN_SECONDS] = "seconds",
					   [ADMIN_MICROSECONDS] = "microseconds",
					   [ADMIN_PERCENT] = "percent"};

	return f->unit == ADMIN_PLAIN ? NULL : name[f->unit];
}

static json_t *row_schema(const struct admin_subject *s)
{
	json_t *required = json_array(), *properties = json_object();

	for (size_t i = 0; i < s->n_fields; i++) {
		const struct admin_field *f = &s->field[i];

		json_array_append_new(required, json_string(f->name));
		json_object_set_new(properties, f->name,
				    json_pack("{s:o, s:s, s:s*}", "type", type_of(f), "description",
					      f->text, "unit", unit_of(f)));
	}
	return json_pack("{s:s, s:o, s:o}", "type", "object", "required", required, "properties",
			 properties);
}

static json_t *subject_schema(const struct admin_subject *s)
{
	return json_pack("{s:s, s:s, s:[s, s], s:{s:{s:i}, s:{s:s, s:o}}}", "description", s->text,
			 "type", "object", "required", "v", s->name, "properties", "v", "const", 1,
			 s->name, "type", "array", "items", row_schema(s));
}

json_t *ctl_schema(void)
{
	json_t *defs = json_object();
	const struct admin_subject *s;

	for (size_t i = 0; (s = admin_subject_at(i)) != NULL; i++)
		json_object_set_new(defs, s->name, subject_schema(s));
	return json_pack("{s:s, s:s, s:o}", "$schema",
			 "https://json-schema.org/draft/2020-12/schema", "title",
			 "answers of sluicectl show", "$defs", defs);
}
