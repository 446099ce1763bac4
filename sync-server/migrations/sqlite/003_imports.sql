-- The changes of an import, to be undone together. Only imports (intent kind 7) pay for it; pushes do not.
CREATE INDEX change_import ON change (batch, number) WHERE intent_kind = 7;
