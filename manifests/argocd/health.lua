-- Health of an ErpGo for Argo CD. Written for Lua 5.1 with the base library alone, as Argo CD runs it.

local function condition(obj, kind)
  for _, found in ipairs(obj.status.conditions or {}) do
    if found.type == kind then
      return found
    end
  end
  return nil
end

-- A condition counts only when it speaks of the spec as it is now.
local function holds(obj, found)
  if found == nil or found.status ~= "True" then
    return false
  end
  return found.observedGeneration == nil or found.observedGeneration >= obj.metadata.generation
end

local function told(found, otherwise)
  if found == nil or found.message == nil or found.message == "" then
    return otherwise
  end
  return found.message
end

if obj.metadata.deletionTimestamp ~= nil then
  return { status = "Progressing", message = "The ErpGo is being deleted" }
end

local status = obj.status
if status == nil or status.observedGeneration == nil then
  return { status = "Progressing", message = "The operator has not looked at it yet" }
end
if status.observedGeneration < obj.metadata.generation then
  return { status = "Progressing", message = "The operator has not looked at the latest change yet" }
end

local paused = condition(obj, "Paused")
if holds(obj, paused) then
  return { status = "Suspended", message = told(paused, "The operator is paused") }
end

local degraded = condition(obj, "Degraded")
if holds(obj, degraded) then
  return { status = "Degraded", message = told(degraded, "Something needs a person") }
end

local ready = condition(obj, "Ready")
local progressing = condition(obj, "Progressing")
if holds(obj, progressing) then
  return { status = "Progressing", message = told(progressing, "A change is on its way") }
end
if holds(obj, ready) then
  return { status = "Healthy", message = told(ready, "The wanted version serves") }
end
return { status = "Progressing", message = told(ready, "It is not ready yet") }
